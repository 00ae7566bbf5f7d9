import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { HTTPGetAction, LifecycleHandler } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { FakeRuntime } from '../testing/fakeRuntime.ts'
import { runHook } from './lifecycle.ts'

async function hook(handler: LifecycleHandler): Promise<string[]> {
  const clock = new FakeClock()
  const warnings: string[] = []
  const target = { container: { name: 'main' }, containerId: 'id', podIp: '127.0.0.1' }
  const warn = (reason: string, message: string): void => void warnings.push(`${reason}: ${message}`)
  await runHook(handler, target, { runtime: new FakeRuntime(clock), clock, warn, signal: new AbortController().signal })
  return warnings
}

async function listen(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('HTTP: to have been asked is enough, whatever the answer; nobody to ask is a failure', async (t) => {
  const port = await listen(
    t,
    createServer((_, response) => void response.writeHead(500).end()),
  )
  assert.deepEqual(await hook({ httpGet: { port } }), [])
  await assert.rejects(hook({ httpGet: { port: 1 } }), /dial tcp 127\.0\.0\.1:1: connect: connection refused$/)
})

test('HTTPS: a server that speaks plain HTTP is asked so, without credentials, and that is told', async (t) => {
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.url, request.headers.authorization, request.headers['x-more'] as string)
    response.end()
  })
  const port = await listen(t, server)
  const httpHeaders = [
    { name: 'Authorization', value: 'secret' },
    { name: 'X-More', value: 'more' },
  ]
  const httpGet: HTTPGetAction = { scheme: 'HTTPS', port, path: '/bye', httpHeaders }
  assert.deepEqual(await hook({ httpGet }), [
    `LifecycleHTTPFallback: request to HTTPS lifecycle hook 127.0.0.1:${port} got HTTP response, retry with HTTP succeeded`,
  ])
  assert.deepEqual(asked, ['/bye', undefined, 'more'])
})

test('tcpSocket, which the API takes for the sake of old manifests, fails', async () => {
  await assert.rejects(hook({ tcpSocket: { port: 80 } }), /invalid handler/)
})
