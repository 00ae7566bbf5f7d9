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

const impersonate = async (headers: string[], request: RequestAttributes, authorizer: Authorizer): Promise<Impersonation> =>
  new Impersonator(authorizer).impersonate(headers, request)

test('what has worked last for a requestor is tried first', async () => {
  const impersonator = new Impersonator({ ...allowing(), authorize: () => ({ allowed: true, reason: '' }) })
  const groupsOf = async (...headers: string[]): Promise<readonly string[]> =>
    (await impersonator.impersonate(headers, REQUEST)).user.groups
  assert.deepEqual(await groupsOf('Impersonate-User', 'system:node:n'), ['system:nodes', 'system:authenticated'])
  await groupsOf('Impersonate-User', 'jane', 'Impersonate-Group', 'system:masters')
  assert.deepEqual(await groupsOf('Impersonate-User', 'system:node:n'), ['system:authenticated'], 'the older verb adds no group')
})

test('who asks for nobody stays who they are', async () => {
  assert.equal((await impersonate([], REQUEST, allowing())).user, REQUEST.user)
})

test('users, groups, uid and extra are asked for one by one', async () => {
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
  assert.deepEqual((await impersonate(headers, REQUEST, allowing(...all))).user, {
    name: 'jane',
    uid: '7',
    groups: ['cn=devs,ou=x', 'qa', 'system:authenticated'],
    extra: { 'why/not': ['test'] },
  })
  for (const missing of all)
    await assert.rejects(
      () => impersonate(headers, REQUEST, allowing(...all.filter((right) => right !== missing))),
      { name: 'StatusError' },
      missing,
    )
})

test('names are UTF-8, however the headers were read', async () => {
  const name = Buffer.from('zoë').toString('latin1')
  assert.equal((await impersonate(['impersonate-user', name], REQUEST, allowing('impersonate users zoë'))).user.name, 'zoë')
})

test('a service account gets its groups', async () => {
  const { user } = await impersonate(
    ['impersonate-user', 'system:serviceaccount:a:bot'],
    REQUEST,
    allowing('impersonate serviceaccounts bot'),
  )
  assert.deepEqual(user.groups, ['system:serviceaccounts', 'system:serviceaccounts:a', 'system:authenticated'])
})

test('constrained impersonation is a right on the user and one on the deed', async () => {
  const headers = ['impersonate-user', 'jane']
  const rights = ['impersonate-on:user-info:list pods ', 'impersonate:user-info users jane']
  assert.deepEqual(await impersonate(headers, REQUEST, allowing(...rights)), {
    user: { name: 'jane', groups: ['system:authenticated'], extra: {} },
    constraint: 'impersonate:user-info',
  })
  await assert.rejects(
    () => impersonate(headers, REQUEST, allowing(rights[1] as string)),
    /cannot impersonate-on:user-info:list resource "pods"/,
  )
})

test('system:masters can be had only by the old right', async () => {
  const headers = ['impersonate-user', 'jane', 'impersonate-group', 'system:masters']
  const constrained = [
    'impersonate-on:user-info:list pods ',
    'impersonate:user-info users jane',
    'impersonate:user-info groups system:masters',
  ]
  await assert.rejects(
    () => impersonate(headers, REQUEST, allowing(...constrained)),
    /impersonating the system:masters group is not allowed/,
  )
  assert.equal(
    (await impersonate(headers, REQUEST, allowing('impersonate users jane', 'impersonate groups system:masters'))).user.name,
    'jane',
  )
})

test('groups without a user are a bad request', async () => {
  await assert.rejects(
    () => impersonate(['impersonate-group', 'devs'], REQUEST, allowing()),
    /requested &user\.DefaultInfo\{Name:"", UID:"", Groups:\[\]string\{"devs"\}, Extra:map\[string\]\[\]string\(nil\)\} without impersonating a user name/,
  )
})
