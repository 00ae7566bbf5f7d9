import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { HTTPGetAction, Pod, Probe } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { probeGrpc } from './grpcAction.ts'
import { probeHttp, resolvePort } from './httpAction.ts'
import { failure, success } from './outcome.ts'
import { createProber } from './prober.ts'
import { ProbeWorker } from './probeWorker.ts'
import type { ProbeKind } from './probeWorker.ts'
import { probeTcp } from './tcpAction.ts'
import { FakeRuntime } from '../testing/fakeRuntime.ts'

const never = new AbortController().signal

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return (server.address() as AddressInfo).port
}

async function http(t: TestContext, listener: RequestListener, action: Partial<HTTPGetAction> = {}, timeoutSeconds = 1) {
  const port = await listen(t, createServer(listener))
  return probeHttp({
    action: { port, ...action },
    container: { name: 'c' },
    podIp: '127.0.0.1',
    timeoutSeconds,
    userAgent: 'kube-probe/1.36',
    signal: never,
  })
}

test('HTTP: 200 to 299 is fine, what leads nowhere a warning, the rest is not', async (t) => {
  const answer =
    (status: number): RequestListener =>
    (_, response) =>
      void response.writeHead(status).end('body')
  assert.deepEqual(await http(t, answer(200)), { result: 'success', output: 'body' })
  assert.deepEqual(await http(t, answer(304)), { result: 'warning', output: 'Probe terminated redirects, Response body: ' })
  assert.deepEqual(await http(t, answer(302)), { result: 'warning', output: 'Probe terminated redirects, Response body: body' })
  assert.deepEqual(await http(t, answer(500)), { result: 'failure', output: 'HTTP probe failed with statuscode: 500' })
})

test('HTTP: the path and headers are sent, redirects on the same host are followed', async (t) => {
  const seen: (string | undefined)[] = []
  const outcome = await http(
    t,
    (request, response) => {
      seen.push(request.url, request.headers['user-agent'], request.headers['x-a'] as string)
      if (request.url === '/start?x=1') response.writeHead(302, { location: '/next' }).end()
      else response.end('ok')
    },
    { path: '/start?x=1', httpHeaders: [{ name: 'X-A', value: 'v' }] },
  )
  assert.deepEqual(outcome, { result: 'success', output: 'ok' })
  assert.deepEqual(seen, ['/start?x=1', 'kube-probe/1.36', 'v', '/next', 'kube-probe/1.36', 'v'])
})

test('HTTP: a redirect to another host is a warning, nobody listening a failure', async (t) => {
  assert.equal(
    (await http(t, (_, response) => void response.writeHead(302, { location: 'http://elsewhere.test/' }).end())).result,
    'warning',
  )
  const gone = createTcpServer()
  const port = await listen(t, gone)
  await new Promise<void>((resolve) => gone.close(() => resolve()))
  const outcome = await probeHttp({
    action: { port },
    container: { name: 'c' },
    podIp: '127.0.0.1',
    timeoutSeconds: 1,
    userAgent: 'x',
    signal: never,
  })
  assert.equal(outcome.result, 'failure')
  assert.equal(outcome.output, `Get "http://127.0.0.1:${port}/": dial tcp 127.0.0.1:${port}: connect: connection refused`)
})

test('HTTP: lines of an answer may end without a carriage return', async (t) => {
  for (const head of ['HTTP/1.1 200 OK\r\n\n', 'HTTP/1.0 200 OK\nA: b\n\n']) {
    const port = await listen(
      t,
      createTcpServer((socket) => void socket.on('error', () => {}).once('data', () => socket.end(`${head}fine`))),
    )
    const asked = { action: { port }, container: { name: 'c' }, podIp: '127.0.0.1', timeoutSeconds: 5, userAgent: 'x', signal: never }
    assert.deepEqual(await probeHttp(asked), success('fine'))
  }
})

test('HTTP: what went wrong is told in upstream words', async (t) => {
  const wrong = async (listener: (socket: Socket) => void, scheme: 'HTTP' | 'HTTPS' = 'HTTP'): Promise<string> => {
    const port = await listen(
      t,
      createTcpServer((socket) => listener(socket.on('error', () => {}).resume())),
    )
    const action = { port, scheme }
    const asked = { action, container: { name: 'c' }, podIp: '127.0.0.1', timeoutSeconds: 0.2, userAgent: 'x', signal: never }
    return (await probeHttp(asked)).output.replace(String(port), 'PORT')
  }
  const get = 'Get "http://127.0.0.1:PORT/": '
  assert.equal(await wrong(() => {}), `${get}context deadline exceeded (Client.Timeout exceeded while awaiting headers)`)
  assert.equal(await wrong((socket) => socket.end()), `${get}EOF`)
  assert.equal(
    await wrong((socket) => socket.end('220 mail ready\r\n')),
    `${get}net/http: HTTP/1.x transport connection broken: malformed HTTP response "220 mail ready"`,
  )
  assert.equal(
    await wrong((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'HTTPS'),
    'Get "https://127.0.0.1:PORT/": http: server gave HTTP response to HTTPS client',
  )
})

test('a port is a number or a name of the container', () => {
  const container = { name: 'c', ports: [{ name: 'web', containerPort: 8080 }] }
  assert.equal(resolvePort('web', container), 8080)
  assert.equal(resolvePort('81', container), 81)
  assert.throws(() => resolvePort('none', container), /couldn't find port/)
})

test('TCP: connecting is all', async (t) => {
  const port = await listen(
    t,
    createTcpServer((socket) => socket.on('error', () => {})),
  )
  assert.equal((await probeTcp('127.0.0.1', port, 1, never)).result, 'success')
  assert.deepEqual(await probeTcp('127.0.0.1', 1, 1, never), failure('dial tcp 127.0.0.1:1: connect: connection refused'))
})

test('gRPC: SERVING is healthy, the service is named', async (t) => {
  const asked: string[] = []
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      const service = Buffer.concat(chunks).subarray(7).toString()
      asked.push(`${headers[':path']} ${service}`)
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, service === 'bad' ? 2 : 1]))
    })
  })
  const port = await listen(t, server as unknown as Server)
  assert.equal((await probeGrpc('127.0.0.1', port, 'good', 2, 'x', never)).result, 'success')
  assert.deepEqual(await probeGrpc('127.0.0.1', port, 'bad', 2, 'x', never), failure('service unhealthy (responded with "NOT_SERVING")'))
  assert.deepEqual(asked, ['/grpc.health.v1.Health/Check good', '/grpc.health.v1.Health/Check bad'])
})

test('gRPC: a failure that is not encoded as it should be is told as it is', async (t) => {
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14', 'grpc-message': 'disk 100% full' })
    stream.end()
  })
  const port = await listen(t, server as unknown as Server)
  assert.deepEqual(
    await probeGrpc('127.0.0.1', port, '', 2, 'x', never),
    failure('error: health rpc probe failed: rpc error: code = Unavailable desc = disk 100% full'),
  )
})

test('gRPC: nobody listens, nobody answers, nobody knows of health', async (t) => {
  const late = { connect: 'timeout: failed to connect service "127.0.0.1:1" within 1s: context deadline exceeded' }
  assert.deepEqual(await probeGrpc('127.0.0.1', 1, '', 1, 'x', never), failure(late.connect))
  const silent = createHttp2Server()
  silent.on('stream', (stream: ServerHttp2Stream) => stream.on('error', () => {}))
  const port = await listen(t, silent as unknown as Server)
  assert.deepEqual(await probeGrpc('127.0.0.1', port, '', 1, 'x', never), failure('timeout: health rpc did not complete within 1s'))
  const other = createHttp2Server()
  other.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12', 'grpc-message': 'unknown service' })
    stream.end()
  })
  assert.match(
    (await probeGrpc('127.0.0.1', await listen(t, other as unknown as Server), '', 1, 'x', never)).output,
    /not implement .*: unknown service$/,
  )
})

test('commands of probes know the variables that are in the spec; a probe that cannot be made is tried three times', async () => {
  const runtime = new FakeRuntime(new FakeClock())
  const env = [
    { name: 'A', value: 'a' },
    { name: 'B', valueFrom: {} },
  ]
  const target = { pod: { metadata: { name: 'p', uid: 'u' } } as Pod, container: { name: 'c', env }, containerId: 'id', podIp: '127.0.0.1' }
  const probe = createProber(runtime)
  runtime.onExec = () => 1
  assert.deepEqual(await probe({ exec: { command: ['is', '$(A)$(B)$(C)$$(A)'] } }, target, never), failure(''))
  assert.deepEqual(runtime.calls, ['exec undefined is a$(C)$(A)'])
  let tries = 0
  runtime.exec = () => Promise.reject(new Error(`broken ${++tries}`))
  await assert.rejects(probe({ exec: { command: ['is'] } }, target, never), /broken 3/)
})

function worker(clock: FakeClock, kind: ProbeKind, probe: Probe, outcomes: () => boolean, initial?: boolean) {
  const verdicts: [number, boolean][] = []
  const unhealthy: number[] = []
  const startMs = clock.now()
  const runs: number[] = []
  const at = (): number => clock.now() - startMs
  const own = new ProbeWorker({
    kind,
    probe,
    startedAtMs: startMs,
    initial,
    clock,
    run: async () => {
      runs.push(at())
      return outcomes() ? success() : failure('no')
    },
    onVerdict: (verdict) => verdicts.push([at(), verdict]),
    onUnhealthy: () => unhealthy.push(at()),
  })
  return { own, verdicts, unhealthy, runs }
}

test('liveness: after the initial delay, every period, and after so many failures', async () => {
  const clock = new FakeClock()
  let good = true
  const { own, verdicts, unhealthy, runs } = worker(
    clock,
    'livenessProbe',
    { initialDelaySeconds: 5, periodSeconds: 10, failureThreshold: 2 },
    () => good,
    true,
  )
  await clock.advance(16_000)
  assert.deepEqual(runs, [5000, 15_000])
  good = false
  await clock.advance(20_000)
  assert.deepEqual(unhealthy, [25_000, 35_000])
  assert.deepEqual(verdicts, [[35_000, false]])
  own.stop()
})

test('readiness: asked often until it is ready the first time, then every period', async () => {
  const clock = new FakeClock()
  let good = false
  const { own, verdicts, unhealthy, runs } = worker(clock, 'readinessProbe', { periodSeconds: 10, failureThreshold: 1 }, () => good, false)
  await clock.advance(200)
  assert.deepEqual(runs, [0, 50, 150])
  good = true
  await clock.advance(200)
  assert.deepEqual(verdicts, [[350, true]])
  assert.deepEqual(unhealthy, [])
  good = false
  await clock.advance(10_000)
  assert.deepEqual(verdicts.at(-1), [10_350, false])
  own.stop()
})

test('readiness: success counts up to its threshold; a stopped worker is silent', async () => {
  const clock = new FakeClock()
  const { own, verdicts, runs } = worker(clock, 'readinessProbe', { periodSeconds: 1, successThreshold: 3 }, () => true, false)
  await clock.advance(2500)
  assert.deepEqual(verdicts, [[2000, true]])
  own.stop()
  await clock.advance(10_000)
  assert.equal(runs.length, 3)
})
