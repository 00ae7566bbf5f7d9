import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Service } from '../api/kinds/core/v1.ts'
import { silentLogger } from '../base/logger.ts'
import { HealthChecks } from './healthChecks.ts'

const HOST = '127.0.0.1'
const service = (port: number): Service => ({
  metadata: { name: 's', namespace: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
  spec: { externalTrafficPolicy: 'Local', healthCheckNodePort: port },
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function ask(port: number): Promise<[status: number, weight: string | null, body: unknown]> {
  for (;;) {
    const response = await fetch(`http://${HOST}:${port}`).catch(() => undefined)
    if (response) return [response.status, response.headers.get('x-load-balancing-endpoint-weight'), await response.json()]
  }
}

test('a node answers well while it has endpoints and its rules follow the cluster', { timeout: 10_000 }, async (t) => {
  let isHealthy = true
  const checks = new HealthChecks({ host: HOST, log: silentLogger, isHealthy: () => isHealthy, onFailure: assert.fail })
  t.after(() => checks.close())
  const port = await freePort()
  const body = (localEndpoints: number): object => ({
    service: { namespace: 'n', name: 's' },
    localEndpoints,
    serviceProxyHealthy: isHealthy,
  })
  checks.set('n/s', service(port), 2)
  assert.deepEqual(await ask(port), [200, '2', body(2)])
  isHealthy = false
  assert.deepEqual(await ask(port), [503, '2', body(2)])
  isHealthy = true
  checks.set('n/s', service(port), 0)
  assert.deepEqual(await ask(port), [503, '0', body(0)])
})

test('a port that is taken is told of, and had once it is free', { timeout: 10_000 }, async (t) => {
  const other = createServer().listen(0, HOST)
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const failed = Promise.withResolvers<string>()
  const onFailure = (key: string, message: string): void => failed.resolve(`${key}: ${message}`)
  const checks = new HealthChecks({ host: HOST, log: silentLogger, isHealthy: () => true, onFailure })
  t.after(() => checks.close())
  checks.set('n/s', service(port), 1)
  assert.match(await failed.promise, new RegExp(`^n/s: failed to start healthcheck "n/s" on port ${port}: .*EADDRINUSE`))
  other.close()
  await once(other, 'close')
  checks.set('n/s', service(port), 1)
  assert.equal((await ask(port))[0], 200)
})
