import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { SchedulerMetrics } from '../scheduler/metrics.ts'
import { ensurePki, type Pki } from './pki.ts'
import { serveComponent } from './componentEndpoint.ts'

interface Answer {
  status: number
  text: string
}

async function setUp(
  t: TestContext,
): Promise<{ pki: Pki; get: (path: string, identity?: { cert: string; key: string }) => Promise<Answer> }> {
  const dir = mkdtempSync(join(tmpdir(), 'minicube-component-endpoint-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const pki = await ensurePki({ dir, nodeName: 'n', apiServerNames: ['127.0.0.1'], nodeNames: ['n'], nowMs: Date.now() })
  const metrics = new SchedulerMetrics({
    queue: () => ({ active: 3, backoff: 0, unschedulable: 0, gated: 0 }),
    cache: () => ({ nodes: 1, pods: 2, assumedPods: 0 }),
    refusedByPlugin: () => new Map([['NodeResourcesFit', 4]]),
    inFlightEvents: () => 0,
  })
  metrics.attempt('scheduled', 'default-scheduler', 0.01)
  const options = { host: '127.0.0.1', port: 0, tls: pki.apiServer, clientCa: pki.ca.cert }
  const server = await serveComponent(options, () => metrics)
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const get = (path: string, identity?: { cert: string; key: string }): Promise<Answer> => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    request({ host: '127.0.0.1', port, path, ca: pki.ca.cert, agent: false, ...identity }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
      .on('error', reject)
      .end()
    return promise
  }
  return { pki, get }
}

test('health is for everybody, metrics for administrators', async (t) => {
  const { pki, get } = await setUp(t)
  assert.deepEqual(await get('/healthz'), { status: 200, text: 'ok' })
  assert.equal((await get('/metrics')).status, 401)
  const { status, text } = await get('/metrics', pki.admin)
  assert.equal(status, 200)
  assert.match(text, /^scheduler_schedule_attempts_total\{result="scheduled",profile="default-scheduler"\} 1$/m)
  assert.match(text, /^scheduler_pending_pods\{queue="active"\} 3$/m)
  assert.match(text, /^scheduler_unschedulable_pods\{plugin="NodeResourcesFit"\} 4$/m)
})
