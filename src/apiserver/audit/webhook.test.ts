import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { EVENT_HEAD } from './audit.ts'
import { AuditWebhook, eventList } from './webhook.ts'
import type { BatchLimits } from './webhook.ts'
import { AuditWebhookConfigError, parseWebhookConfig } from './webhookEndpoint.ts'
import type { WebhookEndpoint } from './webhookEndpoint.ts'
import { postEvents } from './webhookPost.ts'

const event = (id: number): string => `${EVENT_HEAD}"auditID":"${id}"}`
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A webhook whose receiver fails as often as it is told to. */
function setUp(limits: Partial<BatchLimits>, failures = 0): { webhook: AuditWebhook; clock: FakeClock; lists: string[][] } {
  const clock = new FakeClock()
  const lists: string[][] = []
  let left = failures
  const post = async (body: Buffer): Promise<void> => {
    if (left-- > 0) throw new Error('the receiver is away')
    const { items } = JSON.parse(body.toString()) as { items: { auditID: string }[] }
    lists.push(items.map(({ auditID }) => auditID))
  }
  return { webhook: new AuditWebhook({ post, limits, log: silentLogger, clock }), clock, lists }
}

test('an EventList has events without their type', () => {
  assert.deepEqual(JSON.parse(eventList([event(1)]).toString()), {
    kind: 'EventList',
    apiVersion: 'audit.k8s.io/v1',
    metadata: {},
    items: [{ auditID: '1' }],
  })
})

test('a list goes out when it is full or has waited', async () => {
  const { webhook, clock, lists } = setUp({ maxSize: 2, maxWaitMs: 1000 })
  for (const id of [1, 2, 3]) webhook.write(event(id))
  await settle()
  assert.deepEqual(lists, [['1', '2']])
  clock.advance(999)
  await settle()
  assert.equal(lists.length, 1)
  clock.advance(1)
  await settle()
  assert.deepEqual(lists, [['1', '2'], ['3']])
  assert.equal(webhook.written, 3)
})

test('so many lists a second, so many events in the buffer', async () => {
  const { webhook, clock, lists } = setUp({ maxSize: 1, bufferSize: 2, throttleQps: 1, throttleBurst: 1 })
  for (const id of [1, 2, 3, 4]) webhook.write(event(id))
  await settle()
  assert.deepEqual(lists, [['1']])
  assert.equal(webhook.lost, 1)
  clock.advance(1000)
  await settle()
  assert.deepEqual(lists, [['1'], ['2']])
  await webhook.close()
  assert.deepEqual(lists, [['1'], ['2'], ['3']])
})

test('what does not get through is sent again, five times in all', async () => {
  for (const [failures, written] of [
    [4, 1],
    [5, 0],
  ] as const) {
    const { webhook, clock } = setUp({ maxSize: 1, initialBackoffMs: 1000 }, failures)
    webhook.write(event(1))
    for (const delayMs of [1000, 1500, 2250, 3375]) {
      await settle()
      clock.advance(delayMs)
    }
    await settle()
    assert.deepEqual([webhook.written, webhook.lost], [written, 1 - written])
  }
})

test('a kubeconfig leads to the receiver', () => {
  const config = `
current-context: b
contexts: [{name: a, context: {}}, {name: b, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://sink:8443/k8s?x=1", certificate-authority: ca.pem, tls-server-name: sink.example}}]
users: [{name: u, user: {tokenFile: /token, client-certificate-data: ${Buffer.from('CERT').toString('base64')}}}]
`
  const files: Readonly<Record<string, string>> = { '/etc/audit/ca.pem': 'CA', '/token': 'secret\n' }
  assert.deepEqual(
    parseWebhookConfig(config, '/etc/audit/webhook.yaml', (path) => files[path] ?? assert.fail(path)),
    {
      url: 'https://sink:8443/k8s?x=1',
      insecure: false,
      ca: 'CA',
      cert: 'CERT',
      authorization: 'Bearer secret',
      serverName: 'sink.example',
    },
  )
  for (const wrong of ['{', '{}', config.replace('https://', 'ftp://')])
    assert.throws(() => parseWebhookConfig(wrong, '/x', () => ''), AuditWebhookConfigError)
})

test('only a success is an arrival', async () => {
  const got: [string | undefined, string | undefined, string][] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      got.push([request.url, request.headers.authorization, body])
      response.writeHead(request.url === '/ok' ? 200 : 302, { location: '/ok' }).end('moved')
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const endpoint = (path: string): WebhookEndpoint => ({ url: `${at}${path}`, authorization: 'Basic YTpi', insecure: false })
    await postEvents(endpoint('/ok'), Buffer.from('{}'), AbortSignal.timeout(5000))
    await assert.rejects(postEvents(endpoint('/'), Buffer.from('{}'), AbortSignal.timeout(5000)), /answered 302: moved/)
    assert.deepEqual(got[0], ['/ok', 'Basic YTpi', '{}'])
  } finally {
    server.close()
    server.closeAllConnections()
  }
})
