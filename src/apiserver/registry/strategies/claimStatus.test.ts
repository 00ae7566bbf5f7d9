import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourceClaim } from '../../../api/kinds/resource/v1.ts'
import type { UserInfo } from '../../request.ts'
import { changedDrivers, claimStatusErrors } from './claimStatus.ts'

type Status = NonNullable<ResourceClaim['status']>
const metadata = { name: 'c', namespace: 'ns', uid: 'c', resourceVersion: '1', creationTimestamp: '' }
const claim = (status: Status): ResourceClaim => ({ metadata, spec: {}, status })
const device = (driver: string, more: object = {}) => ({ driver, pool: 'p', device: 'd', ...more })
const onNode = (name: string): Status => ({
  allocation: { nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }] } },
})
const anywhere: Status = { allocation: { devices: {} } }
const bot: UserInfo = { name: 'system:serviceaccount:ns:bot', groups: [], extra: {} }
const botOn = (node: string): UserInfo => ({ ...bot, extra: { 'authentication.kubernetes.io/node-name': [node] } })

interface Case {
  user?: UserInfo
  /** What the user may do, as `verb subresource namespace/name`. */
  may?: string
  from: Status
  to: Status
  want: RegExp[]
}

const told = (status: Status, driver = 'gpu'): Status => ({ ...status, devices: [device(driver)] })
const cases: Record<string, Case> = {
  'an allocation is the scheduler’s': {
    from: {},
    to: anywhere,
    want: [
      /^Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims\/binding", verb="update" permission: no update binding \/$/,
    ],
  },
  'who may bind may allocate': { may: 'update binding /', from: {}, to: anywhere, want: [] },
  'a reservation, too': {
    from: anywhere,
    to: { ...anywhere, reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }] },
    want: [/resourceclaims\/binding/],
  },
  'what a driver tells of its device needs a verb for any node': {
    from: anywhere,
    to: told(anywhere),
    want: [
      /^Forbidden: changing status.devices requires resource="resourceclaims\/driver", verb="\[arbitrary-node:update\]" permission: no arbitrary-node:update driver ns\/gpu$/,
    ],
  },
  'who may for any node': { may: 'arbitrary-node:update driver ns/gpu', from: anywhere, to: told(anywhere), want: [] },
  'who may for the own node, on it': {
    user: botOn('n1'),
    may: 'associated-node:update driver ns/gpu',
    from: onNode('n1'),
    to: told(onNode('n1')),
    want: [],
  },
  'who may for the own node, on another': {
    user: botOn('n2'),
    may: 'associated-node:update driver ns/gpu',
    from: onNode('n1'),
    to: told(onNode('n1')),
    want: [/verb="\[arbitrary-node:update\]"/],
  },
  'on it, and may not': {
    user: botOn('n1'),
    from: onNode('n1'),
    to: told(onNode('n1')),
    want: [/verb="\[associated-node:update arbitrary-node:update\]" permission: no associated-node:update/],
  },
  'a person is on no node': {
    user: { ...botOn('n1'), name: 'somebody' },
    may: 'associated-node:update driver ns/gpu',
    from: onNode('n1'),
    to: told(onNode('n1')),
    want: [/status.devices/],
  },
  'what is told of others’ devices is left alone': {
    may: 'arbitrary-node:update driver ns/gpu',
    from: told(anywhere, 'nic'),
    to: { ...anywhere, devices: [device('nic'), device('gpu')] },
    want: [],
  },
  'without an allocation nothing is told': { may: 'update binding /', from: told(anywhere), to: { devices: [device('gpu')] }, want: [] },
}

for (const [name, { user = bot, may, from, to, want }] of Object.entries(cases))
  test(name, () => {
    const errors = claimStatusErrors(claim(to), claim(from), {
      user,
      verb: 'update',
      refusal(of) {
        const asked = `${of.verb} ${of.subresource} ${of.namespace}/${of.name}`
        return asked === may ? undefined : `no ${asked}`
      },
    })
    assert.equal(errors.length, want.length, JSON.stringify(errors))
    for (const [i, pattern] of want.entries()) assert.match(errors[i]?.message ?? '', pattern)
  })

test('drivers of devices that came, went or changed', () => {
  const before: Status = { devices: [device('same'), device('gone'), device('changed')] }
  const after: Status = {
    devices: [device('same'), device('changed', { data: { a: 1 } }), device('new'), device('same', { shareID: 's' })],
  }
  assert.deepEqual(changedDrivers(after, before), ['changed', 'gone', 'new', 'same'])
})
