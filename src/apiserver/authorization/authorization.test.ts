import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { AuthorizationMetrics } from '../metrics/authorizationMetrics.ts'
import type { Decision, RequestAttributes } from '../request.ts'
import { Authorization } from './authorization.ts'
import type { Link } from './authorization.ts'
import { decisionsNow, withDecisions } from './pending.ts'
import type { Opinion } from './webhook.ts'

const REQUEST: RequestAttributes = {
  user: { name: 'jane', groups: [], extra: {} },
  verb: 'get',
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'default',
  name: 'p',
  path: '',
}

const authorization = (...chain: Link[]): Authorization =>
  new Authorization({ catalog: loadCatalog(), chain, metrics: new AuthorizationMetrics(), log: silentLogger, clock: systemClock })
const hook = (opinion: Opinion, isLate = false): Link => ({
  type: 'Webhook',
  name: 'hook',
  ask: () => (isLate ? Promise.resolve(opinion) : opinion),
})
const none = (reason: string, error?: string): Link => hook({ verdict: 'no-opinion', reason, ...(error && { error }) }, true)

test('the first that allows or denies decides, be it at once or later', async () => {
  const allows = hook({ verdict: 'allow', reason: 'yes' })
  const denies = hook({ verdict: 'deny', reason: 'no' }, true)
  const cases: [chain: Link[], expected: Decision][] = [
    [[], { allowed: false, reason: '' }],
    [[{ type: 'RBAC', name: 'rbac' }], { allowed: false, reason: '' }],
    [[{ type: 'AlwaysAllow', name: 'all' }], { allowed: true, reason: '' }],
    [[{ type: 'AlwaysDeny', name: 'none' }, allows], { allowed: true, reason: 'yes' }],
    [[none(''), denies, allows], { allowed: false, denied: true, reason: 'no' }],
    [[allows, denies], { allowed: true, reason: 'yes' }],
    [[none('a'), { type: 'AlwaysDeny', name: 'none' }, none('b')], { allowed: false, reason: 'a\nEverything is forbidden.\nb' }],
    [[none('', 'away'), allows], { allowed: true, reason: 'yes' }],
    [[none('', 'away'), none('', 'far')], { allowed: false, reason: '', error: '[away, far]' }],
    [[hook({ verdict: 'deny', reason: '', error: 'away' })], { allowed: false, denied: true, reason: '', error: 'away' }],
  ]
  for (const [chain, expected] of cases) assert.deepEqual(await authorization(...chain).authorize(REQUEST), expected)
})

test('system:masters are asked for by nobody, and others may be asked from one moment to the next', async () => {
  const changed = authorization(hook({ verdict: 'deny', reason: '' }))
  assert.deepEqual(changed.authorize({ ...REQUEST, user: { name: 'root', groups: ['system:masters'], extra: {} } }), {
    allowed: true,
    reason: '',
  })
  changed.replace([{ type: 'AlwaysAllow', name: 'all' }])
  assert.deepEqual(changed.authorize(REQUEST), { allowed: true, reason: '' })
})

test('pure code has decisions of others in the end, each asked for once', async () => {
  const asked: string[] = []
  const decide = decisionsNow({
    authorize: async ({ name }) => {
      asked.push(name)
      return { allowed: name !== 'c', reason: '' }
    },
  })
  const work = (): boolean[] => ['a', 'b', 'a', 'c'].map((name) => decide({ ...REQUEST, name }).allowed)
  assert.deepEqual(await withDecisions(work), [true, true, true, false])
  assert.deepEqual(asked, ['a', 'b', 'c'])
  const broken = decisionsNow({ authorize: () => Promise.reject(new Error('away')) })
  await assert.rejects(
    withDecisions(() => broken(REQUEST)),
    /away/,
  )
})
