import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestAuthority } from '../testServer.ts'
import { HealthChecks } from './health.ts'
import { StartChecks } from './startChecks.ts'
import type { StartStep } from './startChecks.ts'

const HOUR_MS = 3_600_000

async function failing(health: HealthChecks): Promise<string[]> {
  const { text } = await health.report('readyz', { verbose: true, exclude: [] })
  return [...text.matchAll(/^\[-\](\S+)/gm)].map((match) => match[1] as string)
}

test('each check fails until what its name stands for is done', async () => {
  const ca = await TestAuthority.create('front-proxy-ca')
  const { cert } = await ca.issue('CN=front-proxy-client', { notAfter: new Date(Date.now() + HOUR_MS) })
  const checks = new StartChecks()
  const health = new HealthChecks(() => {})
  let nowMs = Date.now()
  checks.addTo(health, { proxyCertificate: cert, servingCertificate: cert, now: () => nowMs })
  assert.ok((await failing(health)).length > 30)
  const steps: [step: StartStep, name: string][] = [
    ['bootstrapped', 'poststarthook/rbac/bootstrap-roles'],
    ['synced', 'informer-sync'],
    ['serving', 'poststarthook/priority-and-fairness-filter'],
    ['listening', 'poststarthook/peer-endpoint-reconciler-controller'],
    ['registered', 'poststarthook/apiservice-wait-for-first-sync'],
  ]
  for (const [step, name] of steps) {
    assert.ok((await failing(health)).includes(name), `${name} before`)
    checks.finish(step)
    assert.ok(!(await failing(health)).includes(name), `${name} after`)
  }
  assert.deepEqual(await failing(health), [])
  nowMs += 2 * HOUR_MS
  assert.deepEqual(await failing(health), ['poststarthook/aggregator-reload-proxy-client-cert'])
})
