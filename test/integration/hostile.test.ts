/** What a client may send that nobody should: every answer comes soon, is no crash, and leaves the server well for the others. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import { after, before, test } from 'node:test'
import { ask, startTestServer } from '../../src/apiserver/testServer.ts'
import { Client } from '../../src/client/client.ts'
import { configmaps } from '../../src/api/kinds/core/v1.ts'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import type { TestAnswer, TestApiServer } from '../../src/apiserver/testServer.ts'

const BODY_LIMIT_BYTES = 3 * 1024 * 1024
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
/** Nothing of what is asked here may keep the one thread of the server longer than this. */
const SOON_MS = 3_000
/** As Go's client has it: one stream that is not read leaves room for others. */
const CONNECTION_WINDOW_BYTES = 2 ** 24
/** More of them than the server keeps for a watcher that does not read. */
const LARGE_CHANGES = 80

let cluster: TestApiServer
let admin: ClientHttp2Session
let client: Client

before(async () => {
  cluster = await startTestServer()
  admin = cluster.session(cluster.admin)
  client = new Client(cluster.server.directTransport({ name: 'test', groups: ['system:masters'], extra: {} }))
})
after(() => cluster.stop())

async function post(body: string, headers: Record<string, string> = {}, path = CONFIG_MAPS): Promise<TestAnswer> {
  return soon(() => ask(admin, 'POST', path, { body, headers }))
}

async function patch(type: string, body: string, name = 'target'): Promise<TestAnswer> {
  return soon(() => ask(admin, 'PATCH', `${CONFIG_MAPS}/${name}?fieldManager=test`, { body, headers: { 'content-type': type } }))
}

async function soon(work: () => Promise<TestAnswer>): Promise<TestAnswer> {
  const startMs = performance.now()
  const answer = await work()
  assert.ok(performance.now() - startMs < SOON_MS, `the answer took ${Math.round(performance.now() - startMs)} ms`)
  return answer
}

async function target(name = 'target', data: Record<string, string> = {}): Promise<void> {
  await ask(admin, 'DELETE', `${CONFIG_MAPS}/${name}`)
  assert.equal((await post(JSON.stringify({ metadata: { name }, data }))).status, 201)
}

const parsed = (answer: TestAnswer): { metadata: Record<string, never>; data: Record<string, string>; message?: string } =>
  JSON.parse(Buffer.from(answer.body, 'latin1').toString()) as never

/** 2xx or 4xx, in JSON. */
function assertRefusedOrDone(answer: TestAnswer, what: string): void {
  assert.ok(answer.status < 500, `${what}: ${answer.status} ${answer.body.slice(0, 200)}`)
}

test('a body is 3 MiB at most, whatever the client says of its length', async () => {
  const padded = (sizeBytes: number): string => {
    const [head, tail] = ['{"metadata":{"name":"size"},"data":{"k":"', '"}}']
    return head + 'x'.repeat(sizeBytes - head.length - tail.length) + tail
  }
  assert.equal((await post(padded(BODY_LIMIT_BYTES + 1))).status, 413)
  assert.equal((await post(padded(BODY_LIMIT_BYTES + 1), { 'content-length': String(BODY_LIMIT_BYTES + 1) })).status, 413)
  assert.equal((await post(padded(BODY_LIMIT_BYTES))).status, 422)
  assert.equal((await ask(admin, 'GET', '/livez')).status, 200)
})

test('YAML nested within a line', async () => {
  await target()
  for (const indicator of ['- ', '? ', '[', '{a: ']) {
    const applied = await patch('application/apply-patch+yaml', `metadata: {name: target}\nx:\n  ${indicator.repeat(400_000)}1\n`)
    assert.equal(applied.status, 400, applied.body.slice(0, 200))
  }
})

test('nesting as deep as a body can be', async () => {
  await target()
  const depth = 700_000
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const nested = open.repeat(Math.floor(depth / open.length)) + (open === '[' ? '' : '1') + close.repeat(Math.floor(depth / open.length))
    assertRefusedOrDone(await post(nested), 'the whole body')
    assertRefusedOrDone(await post(`{"metadata":{"name":"deep"},"data":{"k":${nested}}}`), 'a string')
    assertRefusedOrDone(await post(`{"metadata":{"name":"deep"},"unknown":${nested}}`), 'an unknown field')
    for (const type of ['application/merge-patch+json', 'application/strategic-merge-patch+json', 'application/apply-patch+yaml']) {
      assertRefusedOrDone(
        await patch(type, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"target"},"unknown":${nested}}`),
        type,
      )
    }
    assertRefusedOrDone(await patch('application/json-patch+json', `[{"op":"add","path":"/unknown","value":${nested}}]`), 'JSON patch')
  }
})

test("nesting just below the decoders' limit reaches all code that walks a value", async () => {
  await target()
  const nested = '{"a":'.repeat(9_000) + '1' + '}'.repeat(9_000)
  assertRefusedOrDone(await post(`{"metadata":{"name":"deep"},"unknown":${nested}}`), 'an unknown field')
  for (const type of ['application/merge-patch+json', 'application/strategic-merge-patch+json']) {
    assertRefusedOrDone(await patch(type, `{"unknown":${nested}}`), type)
  }
  assertRefusedOrDone(await patch('application/json-patch+json', `[{"op":"add","path":"/unknown","value":${nested}}]`), 'JSON patch')
  const revision = `{"metadata":{"name":"deep"},"revision":1,"data":${nested}}`
  assertRefusedOrDone(await post(revision, {}, '/apis/apps/v1/namespaces/default/controllerrevisions'), 'data of any shape')
  const applied = await patch(
    'application/apply-patch+yaml',
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"target"},"unknown":${nested}}`,
  )
  assert.ok(applied.status < 500 || !/Maximum call stack/.test(applied.body), applied.body.slice(0, 200))
})

test('a JSON patch has 10,000 operations at most', async () => {
  await target()
  const operations = (count: number): string =>
    JSON.stringify(Array.from({ length: count }, () => ({ op: 'test', path: '/kind', value: 'ConfigMap' })))
  assert.equal((await patch('application/json-patch+json', operations(10_001))).status, 413)
  assert.equal((await patch('application/json-patch+json', operations(10_000))).status, 200)
})

test('copying over and over stays small', async () => {
  await target('target', { k: 'x'.repeat(1_000) })
  const operations = Array.from({ length: 40 }, () => ({ op: 'copy', from: '/data', path: '/data/k' }))
  assertRefusedOrDone(await patch('application/json-patch+json', JSON.stringify(operations)), 'copies of copies')
})

test('long lists are compared with themselves in time', async () => {
  const ownerReferences = Array.from({ length: 20_000 }, (_, i) => ({ apiVersion: 'v1', kind: 'Pod', name: `p${i}`, uid: `u${i}` }))
  assert.equal((await post(JSON.stringify({ metadata: { name: 'owned', ownerReferences } }))).status, 201)
})

test('aliases of aliases of aliases', async () => {
  const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array.from({ length: 9 }, () => `*l${i}`).join(',')}]`)
  const bomb = ['apiVersion: v1', 'kind: ConfigMap', 'metadata: {name: target}', 'l0: &l0 ["lol"]', ...levels].join('\n')
  const posted = await post(bomb, { 'content-type': 'application/yaml' })
  assert.equal(posted.status, 400, posted.body.slice(0, 200))
  const applied = await patch('application/apply-patch+yaml', bomb)
  assert.equal(applied.status, 400, applied.body.slice(0, 200))
})

test('__proto__ is a name like any other', async () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
  const data = `{${names.map((name) => `"${name}":"v"`).join(',')}}`
  const assertKept = (answer: TestAnswer, what: string): void => {
    assert.ok(answer.status === 200 || answer.status === 201, `${what}: ${answer.body}`)
    const found = parsed(answer).data
    for (const name of names) assert.equal(Object.getOwnPropertyDescriptor(found, name)?.value, 'v', `${what}: ${name}`)
  }
  await ask(admin, 'DELETE', `${CONFIG_MAPS}/proto`)
  assertKept(await post(`{"metadata":{"name":"proto"},"data":${data}}`), 'JSON')
  assertKept(await ask(admin, 'GET', `${CONFIG_MAPS}/proto`), 'read again')
  assertKept(
    await ask(admin, 'PUT', `${CONFIG_MAPS}/proto`, { body: `{"metadata":{"name":"proto","labels":{"a":"b"}},"data":${data}}` }),
    'PUT',
  )
  await target('proto')
  assertKept(await patch('application/merge-patch+json', `{"data":${data}}`, 'proto'), 'merge patch')
  await target('proto')
  assertKept(await patch('application/strategic-merge-patch+json', `{"data":${data}}`, 'proto'), 'strategic merge patch')
  await target('proto', { k: 'v' })
  const additions = names.map((name) => ({ op: 'add', path: `/data/${name}`, value: 'v' }))
  assertKept(await patch('application/json-patch+json', JSON.stringify(additions), 'proto'), 'JSON patch')
  await target('proto')
  assertKept(
    await patch(
      'application/apply-patch+yaml',
      `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"proto"},"data":${data}}`,
      'proto',
    ),
    'apply',
  )
  assert.equal(({} as Record<string, unknown>)['v'], undefined)
  assert.equal(Object.getOwnPropertyNames(Object.prototype).includes('polluted'), false)
})

test('numbers that no type holds', async () => {
  for (const number of ['1e400', '-1e400', '99999999999999999999999', '1e-400', '-0', `0.${'1'.repeat(10_000)}`, '9'.repeat(100_000)]) {
    const deployment = `{"metadata":{"name":"n"},"spec":{"replicas":${number},"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}`
    assertRefusedOrDone(
      await post(deployment, {}, '/apis/apps/v1/namespaces/default/deployments?dryRun=All'),
      `replicas ${number.slice(0, 20)}`,
    )
    const claim = `{"metadata":{"name":"n"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":${number}}}}}`
    assertRefusedOrDone(
      await post(claim, {}, '/api/v1/namespaces/default/persistentvolumeclaims?dryRun=All'),
      `storage ${number.slice(0, 20)}`,
    )
    assertRefusedOrDone(
      await soon(() => ask(admin, 'GET', `${CONFIG_MAPS}?limit=${number.slice(0, 1_000)}`)),
      `limit ${number.slice(0, 20)}`,
    )
  }
})

/** Upstream calls a path in which it finds no attributes its own error, whoever asks. */
const hasNoAttributes = ({ status, body }: TestAnswer): boolean =>
  status === 500 && (body === '' || body.includes('failed to create RequestInfo'))

test('paths that nobody serves', async () => {
  const paths = [
    '//',
    '/api/v1/namespaces/default/configmaps/..%2f..%2fsecrets%2fx',
    '/api/v1/namespaces/../secrets',
    '/api/v1/%00',
    '/api/v1/namespaces/%ff/pods',
    '/apis/apps/v1/namespaces/default/deployments/a/b/c/d',
    '/api/v1/nodes/../../x',
    `/api/v1/${'a/'.repeat(3_000)}`,
    '/%',
    '/api/%zz',
    '/apis//v1/x',
    '/openapi/v3/../../x',
    '/.well-known/x',
    '/metrics/../x',
    '/api/v1/namespaces/default/pods/x/proxy/../../../../etc',
    '/watch',
    '/api/v1/watch',
  ]
  const nobody = cluster.session()
  for (const path of paths) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']) {
      const answer = await soon(() => ask(admin, method, path))
      assert.ok(
        answer.status < 500 || hasNoAttributes(answer),
        `${method} ${path.slice(0, 60)}: ${answer.status} ${answer.body.slice(0, 200)}`,
      )
      const refused = await soon(() => ask(nobody, method, path))
      const known = [301, 400, 401, 403, 404, 405].includes(refused.status)
      assert.ok(known || hasNoAttributes(refused), `${method} ${path.slice(0, 60)} by nobody: ${refused.status}`)
    }
  }
})

test('5,000 streams opened and cancelled at once', async () => {
  const attacker = cluster.session(cluster.admin)
  const ends: Promise<unknown>[] = []
  for (let i = 0; i < 5_000; i++) {
    const stream = attacker.request({ ':path': i % 2 ? `${CONFIG_MAPS}?watch=true` : CONFIG_MAPS })
    stream.on('error', () => {})
    ends.push(once(stream, 'close'))
    stream.close(constants.NGHTTP2_CANCEL)
  }
  const other = await soon(() => ask(admin, 'GET', '/readyz'))
  assert.equal(other.status, 200)
  await Promise.all(ends)
  const watchers = (await ask(admin, 'GET', '/metrics')).body.match(/apiserver_longrunning_requests\{[^}]*\} (\d+)/g) ?? []
  assert.ok(
    watchers.every((line) => Number(line.split(' ').at(-1)) <= 100),
    watchers.join('\n'),
  )
})

/** Opens a watch and answers it with its stream, once the server has. */
async function openWatch(session: ClientHttp2Session, path: string): Promise<ClientHttp2Stream> {
  const stream = session.request({ ':path': path })
  stream.on('error', () => {})
  await once(stream, 'response')
  return stream
}

test('1,000 idle watches hear of a change, and cost no answer to others', async () => {
  await ask(admin, 'POST', '/api/v1/namespaces', { body: '{"metadata":{"name":"crowd"}}' })
  const sessions = [cluster.session(cluster.admin), cluster.session(cluster.admin)]
  const path = '/api/v1/namespaces/crowd/configmaps?watch=true&resourceVersion=0&fieldSelector=metadata.name%3Dnews'
  const watches = await Promise.all(Array.from({ length: 1_000 }, (_, i) => openWatch(sessions[i % 2] as ClientHttp2Session, path)))
  const heard = watches.map(async (stream) => {
    let line = ''
    for await (const chunk of stream) if ((line += String(chunk)).endsWith('\n')) break
    return (JSON.parse(line) as { type: string }).type
  })
  assert.equal((await post('{"metadata":{"name":"news"}}', {}, '/api/v1/namespaces/crowd/configmaps')).status, 201)
  assert.deepEqual(new Set(await Promise.all(heard)), new Set(['ADDED']))
  assert.equal((await soon(() => ask(admin, 'GET', CONFIG_MAPS))).status, 200)
  for (const stream of watches) stream.close(constants.NGHTTP2_CANCEL)
})

test('a watcher that does not read is let go, and one that reads misses nothing', async () => {
  await ask(admin, 'POST', '/api/v1/namespaces', { body: '{"metadata":{"name":"slow"}}' })
  await client.create(configmaps, { metadata: { name: 'big', namespace: 'slow' }, data: { k: '' } })
  const lazy = connect(`https://127.0.0.1:${cluster.port}`, { ca: cluster.ca.cert, ...cluster.admin })
  lazy.on('error', () => {})
  const path = '/api/v1/namespaces/slow/configmaps?watch=true'
  const slow = await openWatch(lazy, path)
  slow.pause()
  const eager = await openWatch(cluster.session(cluster.admin), path)
  const seen: string[] = []
  let rest = ''
  eager.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() as string
    seen.push(...lines.map((line) => /"k":"(\w+) /.exec(line)?.[1] ?? ''))
  })
  for (let i = 0; i < LARGE_CHANGES; i++) {
    const body = JSON.stringify({ data: { k: `${i} ${'x'.repeat(900_000)}` } })
    const answer = await ask(admin, 'PATCH', '/api/v1/namespaces/slow/configmaps/big', {
      body,
      headers: { 'content-type': 'application/merge-patch+json' },
    })
    assert.equal(answer.status, 200)
  }
  while (seen.at(-1) !== String(LARGE_CHANGES - 1)) await once(eager, 'data', { signal: AbortSignal.timeout(SOON_MS) })
  assert.deepEqual(
    seen.slice(-LARGE_CHANGES),
    Array.from({ length: LARGE_CHANGES }, (_, i) => String(i)),
  )
  let text = ''
  slow.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-1_000)))
  slow.resume()
  await once(slow, 'end', { signal: AbortSignal.timeout(SOON_MS) })
  assert.match(text, /"type":"ERROR".*the watch is too slow/)
  lazy.destroy()
})

test('a client may ask on while a large answer is on its way', async () => {
  await ask(admin, 'POST', '/api/v1/namespaces', { body: '{"metadata":{"name":"large"}}' })
  for (let i = 0; i < 16; i++)
    await client.create(configmaps, { metadata: { name: `c${i}`, namespace: 'large' }, data: { k: 'y'.repeat(1_000_000) } })
  const session = cluster.session(cluster.admin)
  await once(session, 'connect')
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
  const stream = session.request({ ':path': '/api/v1/namespaces/large/configmaps' })
  stream.pause()
  await once(stream, 'response')
  for (let i = 0; i < 5; i++) assert.equal((await soon(() => ask(session, 'GET', '/readyz'))).status, 200)
  let sizeBytes = 0
  stream.on('data', (chunk: Buffer) => (sizeBytes += chunk.length))
  stream.resume()
  await once(stream, 'end')
  assert.ok(sizeBytes > 16_000_000)
})
