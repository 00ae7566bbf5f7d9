import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Authorizer, RequestAttributes } from '../request.ts'
import { Impersonator } from './impersonation.ts'
import type { Impersonation } from './impersonation.ts'

const REQUEST: RequestAttributes = {
  user: { name: 'root', groups: ['ops'], extra: {} },
  verb: 'list',
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'n',
  name: '',
  path: '',
}

/** Allows what is listed as `verb resource name`. */
function allowing(...rights: string[]): Authorizer {
  return {
    authorize: ({ verb, resource, subresource, name }) => ({
      allowed: rights.includes(`${verb} ${subresource ? `${resource}/${subresource}` : resource} ${name}`),
      reason: '',
    }),
    escalation: () => undefined,
    rulesOf: () => undefined,
  }
}

const impersonate = (headers: string[], request: RequestAttributes, authorizer: Authorizer): Impersonation =>
  new Impersonator(authorizer).impersonate(headers, request)

test('what has worked last for a requestor is tried first', () => {
  const impersonator = new Impersonator({ ...allowing(), authorize: () => ({ allowed: true, reason: '' }) })
  const groupsOf = (...headers: string[]): readonly string[] => impersonator.impersonate(headers, REQUEST).user.groups
  assert.deepEqual(groupsOf('Impersonate-User', 'system:node:n'), ['system:nodes', 'system:authenticated'])
  groupsOf('Impersonate-User', 'jane', 'Impersonate-Group', 'system:masters')
  assert.deepEqual(groupsOf('Impersonate-User', 'system:node:n'), ['system:authenticated'], 'the older verb adds no group')
})

test('who asks for nobody stays who they are', () => {
  assert.equal(impersonate([], REQUEST, allowing()).user, REQUEST.user)
})

test('users, groups, uid and extra are asked for one by one', () => {
  const headers = [
    ...['Impersonate-User', 'jane', 'Impersonate-Group', 'cn=devs,ou=x', 'impersonate-group', 'qa', 'Impersonate-Uid', '7'],
    ...['Impersonate-Extra-Why%2fnot', 'test'],
  ]
  const all = [
    'impersonate users jane',
    'impersonate groups cn=devs,ou=x',
    'impersonate groups qa',
    'impersonate uids 7',
    'impersonate userextras/why/not test',
  ]
  assert.deepEqual(impersonate(headers, REQUEST, allowing(...all)).user, {
    name: 'jane',
    uid: '7',
    groups: ['cn=devs,ou=x', 'qa', 'system:authenticated'],
    extra: { 'why/not': ['test'] },
  })
  for (const missing of all)
    assert.throws(
      () => impersonate(headers, REQUEST, allowing(...all.filter((right) => right !== missing))),
      { name: 'StatusError' },
      missing,
    )
})

test('names are UTF-8, however the headers were read', () => {
  const name = Buffer.from('zoë').toString('latin1')
  assert.equal(impersonate(['impersonate-user', name], REQUEST, allowing('impersonate users zoë')).user.name, 'zoë')
})

test('a service account gets its groups', () => {
  const { user } = impersonate(['impersonate-user', 'system:serviceaccount:a:bot'], REQUEST, allowing('impersonate serviceaccounts bot'))
  assert.deepEqual(user.groups, ['system:serviceaccounts', 'system:serviceaccounts:a', 'system:authenticated'])
})

test('constrained impersonation is a right on the user and one on the deed', () => {
  const headers = ['impersonate-user', 'jane']
  const rights = ['impersonate-on:user-info:list pods ', 'impersonate:user-info users jane']
  assert.deepEqual(impersonate(headers, REQUEST, allowing(...rights)), {
    user: { name: 'jane', groups: ['system:authenticated'], extra: {} },
    constraint: 'impersonate:user-info',
  })
  assert.throws(() => impersonate(headers, REQUEST, allowing(rights[1] as string)), /cannot impersonate-on:user-info:list resource "pods"/)
})

test('system:masters can be had only by the old right', () => {
  const headers = ['impersonate-user', 'jane', 'impersonate-group', 'system:masters']
  const constrained = [
    'impersonate-on:user-info:list pods ',
    'impersonate:user-info users jane',
    'impersonate:user-info groups system:masters',
  ]
  assert.throws(() => impersonate(headers, REQUEST, allowing(...constrained)), /impersonating the system:masters group is not allowed/)
  assert.equal(impersonate(headers, REQUEST, allowing('impersonate users jane', 'impersonate groups system:masters')).user.name, 'jane')
})

test('groups without a user are a bad request', () => {
  assert.throws(
    () => impersonate(['impersonate-group', 'devs'], REQUEST, allowing()),
    /requested &user\.DefaultInfo\{Name:"", UID:"", Groups:\[\]string\{"devs"\}, Extra:map\[string\]\[\]string\(nil\)\} without impersonating a user name/,
  )
})
