import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { AuthorizationMetrics } from '../metrics/authorizationMetrics.ts'
import type { RequestAttributes } from '../request.ts'
import type { WebhookConfiguration } from './configuration.ts'
import { PostError, WebhookAuthorizer } from './webhook.ts'

const REQUEST: RequestAttributes = {
  user: { name: 'jane', groups: ['devs'], extra: { scopes: ['a'] }, uid: '7' },
  verb: 'list',
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'default',
  name: '',
  path: '',
  fieldSelector: 'spec.nodeName=n,status.phase!=Running',
}

function authorizer(answers: (object | string | Error)[], more: Partial<WebhookConfiguration> = {}) {
  const clock = new FakeClock()
  const posted: { spec: object; apiVersion: string }[] = []
  const webhook: WebhookConfiguration = {
    timeout: '3s',
    authorizedTTL: '5m0s',
    unauthorizedTTL: '30s',
    subjectAccessReviewVersion: 'v1',
    failurePolicy: 'NoOpinion',
    connectionInfo: { type: 'KubeConfigFile' },
    ...more,
  }
  const post = async (body: Buffer): Promise<string> => {
    posted.push(JSON.parse(body.toString()) as { spec: object; apiVersion: string })
    const answer = answers.shift() ?? new Error('no answer')
    if (answer instanceof Error) throw answer
    return typeof answer === 'string' ? answer : JSON.stringify({ status: answer })
  }
  const configuration = { type: 'Webhook', name: 'hook', webhook } as const
  const made = new WebhookAuthorizer({ configuration, post, metrics: new AuthorizationMetrics(), clock })
  return { clock, posted, ask: async (attributes = REQUEST) => made.authorize(attributes) }
}

describe('a webhook that decides', () => {
  test('what it is asked, in either version', async () => {
    const { ask, posted } = authorizer([{ allowed: true, reason: 'yes' }])
    assert.deepEqual(await ask(), { verdict: 'allow', reason: 'yes' })
    assert.deepEqual(posted[0], {
      kind: 'SubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      metadata: {},
      spec: {
        resourceAttributes: {
          namespace: 'default',
          verb: 'list',
          version: 'v1',
          resource: 'pods',
          fieldSelector: {
            requirements: [
              { key: 'spec.nodeName', operator: 'In', values: ['n'] },
              { key: 'status.phase', operator: 'NotIn', values: ['Running'] },
            ],
          },
        },
        user: 'jane',
        groups: ['devs'],
        extra: { scopes: ['a'] },
        uid: '7',
      },
      status: { allowed: false },
    })
    const older = authorizer([{}], { subjectAccessReviewVersion: 'v1beta1' })
    await older.ask({ ...REQUEST, resource: '', path: '/metrics', verb: 'get' })
    const { apiVersion, spec } = older.posted[0] ?? {}
    assert.equal(apiVersion, 'authorization.k8s.io/v1beta1')
    assert.deepEqual(spec, {
      nonResourceAttributes: { path: '/metrics', verb: 'get' },
      user: 'jane',
      group: ['devs'],
      extra: { scopes: ['a'] },
      uid: '7',
    })
  })

  test('what it answers', async () => {
    const both = 'webhook subject access review returned both allow and deny response'
    const cases: [answer: object, expected: object][] = [
      [
        { allowed: false, reason: 'hm' },
        { verdict: 'no-opinion', reason: 'hm' },
      ],
      [
        { denied: true, reason: 'no' },
        { verdict: 'deny', reason: 'no' },
      ],
      [
        { allowed: true, denied: true },
        { verdict: 'deny', reason: '', error: both },
      ],
    ]
    for (const [answer, expected] of cases) assert.deepEqual(await authorizer([answer]).ask(), expected)
  })

  test('answers are kept for a while, each sort for its own', async () => {
    const { ask, posted, clock } = authorizer([{ allowed: true }, { allowed: false }, { allowed: true }])
    await ask()
    await ask()
    assert.equal(posted.length, 1)
    await clock.advance(300_000)
    assert.equal((await ask()).verdict, 'no-opinion')
    await clock.advance(29_999)
    await ask()
    assert.equal(posted.length, 2)
    await clock.advance(1)
    assert.equal((await ask()).verdict, 'allow')
    const unkept = authorizer([{ allowed: true }, { allowed: true }], { cacheAuthorizedRequests: false })
    await unkept.ask()
    await unkept.ask()
    assert.equal(unkept.posted.length, 2)
    const long = authorizer([{ allowed: true }, { allowed: true }])
    for (let i = 0; i < 2; i++) await long.ask({ ...REQUEST, name: 'x'.repeat(10_000) })
    assert.equal(long.posted.length, 2)
  })

  test('where it cannot be asked its failure policy decides', async () => {
    const unreadable = /couldn't get version\/kind; json parse error/
    for (const [failurePolicy, verdict] of [
      ['NoOpinion', 'no-opinion'],
      ['Deny', 'deny'],
    ] as const) {
      const away = await authorizer([new PostError(503, '')], { failurePolicy }).ask()
      assert.deepEqual(away, { verdict, reason: '', error: 'the server is currently unable to handle the request' })
      const junk = await authorizer(['junk'], { failurePolicy }).ask()
      assert.equal(junk.verdict, verdict)
      assert.match(junk.error ?? '', unreadable)
    }
  })

  test('a server out of breath is asked again', async () => {
    const { ask, posted, clock } = authorizer([new PostError(429, ''), new PostError(500, ''), { allowed: true }])
    const asking = ask()
    await clock.advance(500)
    await clock.advance(750)
    assert.equal((await asking).verdict, 'allow')
    assert.equal(posted.length, 3)
  })

  test('its conditions say what it is about', async () => {
    const conditions = (...expressions: string[]): Partial<WebhookConfiguration> => ({
      matchConditions: expressions.map((expression) => ({ expression })),
    })
    const about = authorizer([{ allowed: true }], conditions("request.user == 'jane'", "request.resourceAttributes.group == ''"))
    assert.equal((await about.ask()).verdict, 'allow')
    const not = authorizer([], conditions("request.extra['none'] == ['a']", "'admins' in request.groups"))
    assert.deepEqual(await not.ask(), { verdict: 'no-opinion', reason: '' })
    const broken = authorizer([], { ...conditions("request.extra['none'] == ['a']"), failurePolicy: 'Deny' })
    assert.deepEqual(await broken.ask(), {
      verdict: 'deny',
      reason: '',
      error: "cel evaluation error: expression 'request.extra['none'] == ['a']' resulted in error: no such key: none",
    })
  })
})
