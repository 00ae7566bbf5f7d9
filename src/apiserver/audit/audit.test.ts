import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { JsonObject } from '../../api/resource.ts'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import type { RequestAttributes } from '../request.ts'
import { Audit } from './audit.ts'
import type { AuditSink } from './audit.ts'
import { AuditLog, outdated } from './log.ts'
import { auditConfigOf, AuditPolicyError, parseAuditPolicy } from './policy.ts'

const HEAD = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n'
const attributes = (changes: Partial<RequestAttributes>): RequestAttributes => ({
  user: { name: 'jane', groups: ['dev'], extra: {} },
  verb: 'get',
  group: '',
  version: 'v1',
  resource: 'pods',
  subresource: '',
  namespace: 'ns',
  name: 'p',
  path: '',
  ...changes,
})

test('the first rule that matches counts', () => {
  const policy = parseAuditPolicy(`${HEAD}omitStages: [RequestReceived]
rules:
- {level: None, users: [quiet]}
- {level: None, nonResourceURLs: ["/healthz*", "/version"]}
- {level: Request, resources: [{group: "", resources: ["pods/*"]}]}
- {level: Metadata, resources: [{group: "", resources: [secrets], resourceNames: [a]}], namespaces: [ns], omitStages: [ResponseStarted]}
- {level: RequestResponse, userGroups: [dev], verbs: [create], omitManagedFields: true}
- {level: Metadata, resources: [{group: "apps"}, {group: "*", resources: ["*/status"]}]}
`)
  const levelOf = (changes: Partial<RequestAttributes>): string => auditConfigOf(policy, attributes(changes)).level
  const path = (at: string): Partial<RequestAttributes> => ({ path: at, resource: '', namespace: '', name: '', version: '' })
  assert.equal(levelOf({ user: { name: 'quiet', groups: ['dev'], extra: {} } }), 'None')
  assert.equal(levelOf(path('/healthz/ping')), 'None')
  assert.equal(levelOf({ subresource: 'log' }), 'Request')
  assert.equal(levelOf({ resource: 'secrets', name: 'a' }), 'Metadata')
  assert.equal(levelOf({ resource: 'secrets', name: 'b' }), 'None')
  assert.equal(levelOf({ verb: 'create', resource: 'services' }), 'RequestResponse')
  assert.equal(levelOf({ group: 'apps', resource: 'deployments' }), 'Metadata')
  assert.equal(levelOf({ group: 'x', resource: 'y', subresource: 'status' }), 'Metadata')
  const config = auditConfigOf(policy, attributes({ resource: 'secrets', name: 'a' }))
  assert.deepEqual(config.omitStages, ['RequestReceived', 'ResponseStarted'])
  assert.equal(auditConfigOf(policy, attributes({ verb: 'create', resource: 'services' })).omitManagedFields, true)
})

test('a wrong policy is refused', () => {
  for (const [text, message] of [
    ['rules: [{level: None}]', /must be a Policy of audit\.k8s\.io\/v1/],
    [`${HEAD}`, /no rules/],
    [`${HEAD}rules: [{level: All}]`, /rules\[0\]\.level: Unsupported value: "All"/],
    [`${HEAD}rules: [{level: None, stages: []}]`, /rules\[0\]\.stages: unknown field/],
    [`${HEAD}rules: [{level: None, omitStages: [Soon]}]`, /omitStages: Unsupported value: "Soon"/],
    [`${HEAD}rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]`, /cannot apply to both/],
    [`${HEAD}rules: [{level: None, nonResourceURLs: ["/a*b"]}]`, /Invalid value: "\/a\*b"/],
    ['{', /.*/],
  ] as const)
    assert.throws(
      () => parseAuditPolicy(text),
      (error: Error) => error instanceof AuditPolicyError && message.test(error.message),
      text,
    )
})

test('an event has what its level allows, and no token', () => {
  const events: Record<string, unknown>[] = []
  const log = { write: (json: string) => events.push(JSON.parse(json) as Record<string, unknown>) } as unknown as AuditSink
  const clock = new FakeClock()
  const audit = new Audit({
    policy: parseAuditPolicy(`${HEAD}rules: [{level: RequestResponse, omitManagedFields: true}]`),
    sinks: [log],
    clock,
  })
  const request = { id: 'i', uri: '/x', sourceIps: ['10.0.0.1'], userAgent: 'u'.repeat(2000), receivedMs: 0, longRunning: false }
  const entry = audit.begin(request, attributes({ verb: 'create', resource: 'serviceaccounts', subresource: 'token' }))
  entry?.requestObject({ kind: 'TokenReview', metadata: { name: 'p', managedFields: [] }, spec: { token: 'secret', audiences: ['a'] } })
  entry?.annotate('k', 'first')
  entry?.annotate('k', 'second')
  entry?.responseObject({ kind: 'TokenRequest', status: { token: 'secret', expirationTimestamp: 't' } })
  entry?.started(201)
  entry?.completed()
  assert.deepEqual(
    events.map(({ stage }) => stage),
    ['RequestReceived', 'ResponseComplete'],
  )
  const last = events[1] as Record<string, unknown>
  assert.doesNotMatch(JSON.stringify(events), /secret"/)
  assert.deepEqual(last['requestObject'], { kind: 'TokenReview', metadata: { name: 'p' }, spec: { audiences: ['a'] } })
  assert.deepEqual(last['responseStatus'], { metadata: {}, code: 201 })
  assert.deepEqual(last['annotations'], { k: 'first' })
  assert.equal(last['requestReceivedTimestamp'], '1970-01-01T00:00:00.000000Z')
  assert.ok(String(last['userAgent']).endsWith('...TRUNCATED'))

  const table = audit.begin(request, attributes({ verb: 'list' }))
  const row = (metadata: object): JsonObject =>
    ({ cells: ['a'], object: { kind: 'PartialObjectMetadata', metadata } }) as unknown as JsonObject
  table?.responseObject({ kind: 'Table', metadata: {}, rows: [row({ name: 'a', managedFields: [] }), { cells: ['b'] }] })
  table?.completed()
  assert.deepEqual((events.at(-1)?.['responseObject'] as JsonObject | undefined)?.['rows'], [row({ name: 'a' }), { cells: ['b'] }])
})

test('backups that are too many or too old go', () => {
  const day = 86_400_000
  const backups = [1, 2, 3, 4].map((age) => ({ name: `b${age}`, timeMs: 10 * day - age * day }))
  assert.deepEqual(outdated(backups, { maxBackups: 2, maxAgeDays: 0, nowMs: 10 * day }), ['b3', 'b4'])
  assert.deepEqual(outdated(backups, { maxBackups: 0, maxAgeDays: 3, nowMs: 10 * day }), ['b4'])
  assert.deepEqual(outdated(backups, { maxBackups: 0, maxAgeDays: 0, nowMs: 10 * day }), [])
})

test('a full file is set aside, and its like removed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'))
  try {
    const clock = new FakeClock(Date.parse('2026-01-02T03:04:05.678Z'))
    const path = join(folder, 'logs', 'audit.log')
    const log = new AuditLog({ path, maxSizeMegabytes: 1, maxBackups: 2, log: silentLogger, clock })
    const text = 'x'.repeat(300_000)
    for (let i = 0; i < 16; i++) {
      clock.advance(1000)
      log.write(JSON.stringify({ i, text }))
      // A file is named after the time at which it was full.
      while (log.written + log.lost <= i) await new Promise((resolve) => setImmediate(resolve))
    }
    await log.close()
    assert.equal(log.written, 16)
    const files = readdirSync(join(folder, 'logs')).sort()
    assert.equal(files.length, 3)
    assert.match(String(files[0]), /^audit-2026-01-02T03-04-\d\d\.678\.log$/)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const lines = readFileSync(path, 'utf8').trim().split('\n')
    assert.equal((JSON.parse(lines.at(-1) as string) as { i: number }).i, 15)
    assert.ok(files.every((file) => statSync(join(folder, 'logs', file)).size <= 1024 * 1024))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
