import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { HTTPGetAction, Probe } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { probeGrpc } from './grpcAction.ts'
import { probeHttp, resolvePort } from './httpAction.ts'
import { failure, success } from './outcome.ts'
import { ProbeWorker } from './probeWorker.ts'
import type { ProbeKind } from './probeWorker.ts'
import { probeTcp } from './tcpAction.ts'

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

test('HTTP: 200 to 399 is fine, the rest is not', async (t) => {
  const answer =
    (status: number): RequestListener =>
    (_, response) =>
      void response.writeHead(status).end('body')
  assert.deepEqual(await http(t, answer(200)), { result: 'success', output: 'body' })
  assert.equal((await http(t, answer(399))).result, 'success')
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
  assert.match(outcome.output, /^Get "http:\/\/127\.0\.0\.1:\d+\/": connect ECONNREFUSED/)
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
  assert.equal((await probeTcp('127.0.0.1', 1, 1, never)).result, 'failure')
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
  assert.deepEqual(await probeGrpc('127.0.0.1', port, '', 2, 'x', never), failure('error: health rpc probe failed: disk 100% full'))
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
