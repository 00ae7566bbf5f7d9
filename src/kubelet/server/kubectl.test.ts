/**
 * The streams with the real kubectl, whose SPDY and WebSocket code is the one that counts. It talks to a small stand-in for the
 * API server, which hands upgrades on to the kubelet as the real one does. KUBECTL names the program.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type IncomingMessage, type Server, type ServerResponse, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type TestContext, after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { TEST_POD, type TestKubelet, startTestKubelet } from './testServer.ts'

const KUBECTL = process.env.KUBECTL

let kubelet: TestKubelet
let api: Server
let target: Server

const POD_RESOURCE = { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get', 'list'] }
const ANSWERS: Readonly<Record<string, object>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': { kind: 'APIResourceList', groupVersion: 'v1', resources: [POD_RESOURCE] },
  '/api/v1/namespaces/default/pods/p': { kind: 'Pod', apiVersion: 'v1', ...TEST_POD },
}

function onRequest(request: IncomingMessage, response: ServerResponse): void {
  const answer = ANSWERS[new URL(request.url ?? '', 'http://api').pathname]
  response.writeHead(answer ? 200 : 404, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer ?? {}))
}

function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://api')
  const subresource = pathname.split('/').at(-1)
  const path = subresource === 'portforward' ? '/portForward/default/p' : `/${subresource}/default/p/${searchParams.get('container')}`
  const upstream = connect({ host: '127.0.0.1', port: kubelet.server.port, rejectUnauthorized: false, ...kubelet.client }, () => {
    const headers = Array.from(
      { length: request.rawHeaders.length / 2 },
      (_, i) => `${request.rawHeaders[2 * i]}: ${request.rawHeaders[2 * i + 1]}\r\n`,
    )
    upstream.write(`${request.method} ${path}?${searchParams} HTTP/1.1\r\n${headers.join('')}\r\n`)
    upstream.write(head)
    socket.pipe(upstream).pipe(socket)
  })
  upstream.on('error', () => socket.destroy())
  socket.on('error', () => upstream.destroy())
}

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

function start(args: string[], webSockets: boolean) {
  const { port } = api.address() as AddressInfo
  return spawn(KUBECTL ?? '', ['--server', `http://127.0.0.1:${port}`, '--kubeconfig', '/dev/null', ...args], {
    env: { ...process.env, KUBECTL_REMOTE_COMMAND_WEBSOCKETS: String(webSockets), KUBECTL_PORT_FORWARD_WEBSOCKETS: String(webSockets) },
  })
}

async function kubectl(args: string[], webSockets: boolean, input: string | Buffer = ''): Promise<Outcome> {
  const child = start(args, webSockets)
  const outcome: Outcome = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', (part) => (outcome.stdout += String(part)))
  child.stderr.on('data', (part) => (outcome.stderr += String(part)))
  child.stdin.on('error', () => {}).end(input)
  ;[outcome.code] = (await once(child, 'close')) as [number]
  return outcome
}

async function fetchText(port: number): Promise<string> {
  const [response] = (await once(get({ host: '127.0.0.1', port, agent: false }), 'response')) as [IncomingMessage]
  let text = ''
  for await (const part of response) text += String(part)
  return text
}

async function forwardedPort(t: TestContext, port: number, webSockets: boolean): Promise<{ localPort: number; said: () => string }> {
  const child = start(['port-forward', 'pod/p', `:${port}`], webSockets)
  t.after(() => child.kill())
  let said = ''
  const ready = Promise.withResolvers<number>()
  const onText = (part: unknown): void => {
    said += String(part)
    const localPort = /127\.0\.0\.1:(\d+) ->/.exec(said)?.[1]
    if (localPort) ready.resolve(Number(localPort))
  }
  child.stdout.on('data', onText)
  child.stderr.on('data', onText)
  child.on('close', () => ready.reject(new Error(`kubectl forwards nothing: ${said}`)))
  return { localPort: await ready.promise, said: () => said }
}

describe('kubectl', { skip: KUBECTL ? false : 'KUBECTL names no kubectl' }, () => {
  before(async () => {
    kubelet = await startTestKubelet()
    api = createServer(onRequest).on('upgrade', onUpgrade).listen(0, '127.0.0.1')
    target = createServer((_, response) => response.end('x'.repeat(2_000_000))).listen(0, '127.0.0.1')
    await Promise.all([once(api, 'listening'), once(target, 'listening')])
  })
  after(async () => {
    await kubelet.server.close()
    for (const server of [api, target]) {
      server.close()
      server.closeAllConnections()
    }
  })

  for (const webSockets of [true, false]) {
    describe(webSockets ? 'over WebSockets' : 'over SPDY', () => {
      test('exec: output, errors and exit code', async () => {
        const { code, stdout, stderr } = await kubectl(
          ['exec', 'p', '-c', 'main', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'],
          webSockets,
        )
        assert.deepEqual([code, stdout, stderr], [7, 'out\n', 'err\ncommand terminated with exit code 7\n'])
      })
      test('exec: input comes whole and ends', async () => {
        const { code, stdout } = await kubectl(['exec', '-i', 'p', '-c', 'main', '--', 'wc', '-c'], webSockets, Buffer.alloc(5_000_000))
        assert.deepEqual([code, stdout.trim()], [0, '5000000'])
      })
      test('exec: output comes whole', async () => {
        const { code, stdout } = await kubectl(
          ['exec', 'p', '-c', 'main', '--', 'sh', '-c', 'head -c 5000000 /dev/zero | tr "\\0" x'],
          webSockets,
        )
        assert.deepEqual([code, stdout.length], [0, 5_000_000])
      })
      test('exec: no such program', async () => {
        const { code, stderr } = await kubectl(['exec', 'p', '-c', 'main', '--', '/no/such/file'], webSockets)
        assert.equal(code, 1)
        assert.match(stderr, /ENOENT/)
      })
      test('attach', async () => {
        const { code, stdout } = await kubectl(['attach', '-i', 'p', '-c', 'main'], webSockets, 'echoed\n')
        assert.deepEqual([code, stdout], [0, 'echoed\n'])
      })
      test('port-forward: many connections at once', async (t) => {
        const { localPort, said } = await forwardedPort(t, (target.address() as AddressInfo).port, webSockets)
        const texts = await Promise.all(Array.from({ length: 8 }, () => fetchText(localPort)))
        assert.deepEqual(
          texts.map((text) => text.length),
          Array(8).fill(2_000_000),
        )
        assert.doesNotMatch(said(), /error/i)
      })
      test('port-forward: nothing listens', async (t) => {
        const { localPort, said } = await forwardedPort(t, 1, webSockets)
        await assert.rejects(fetchText(localPort))
        while (!/ECONNREFUSED/.test(said())) await new Promise((resolve) => setImmediate(resolve))
      })
    })
  }
})
