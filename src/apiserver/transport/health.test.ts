import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_KINDS, HealthChecks } from './health.ts'

test('health reports as upstream words them', async () => {
  const failures: string[] = []
  const health = new HealthChecks((name) => failures.push(name))
  assert.deepEqual(await health.report('healthz', { verbose: false, exclude: [] }), { ok: true, text: 'ok' })
  assert.equal((await health.report('livez', { verbose: true, exclude: [] })).text, '[+]ping ok\nlivez check passed\n')
  health.add({ name: 'storage', kinds: ['readyz'], check: () => Promise.reject(new Error('disk')) })
  health.add({ name: 'other', kinds: ALL_KINDS, check: () => {} })
  assert.deepEqual(await health.report('readyz', { verbose: false, exclude: [] }), {
    ok: false,
    text: '[+]ping ok\n[-]storage failed: reason withheld\n[+]other ok\nreadyz check failed\n',
  })
  assert.deepEqual(failures, ['storage'])
  assert.equal((await health.report('livez', { verbose: false, exclude: [] })).ok, true)
  assert.equal(
    (await health.report('readyz', { verbose: true, exclude: ['storage', 'none'] })).text,
    '[+]ping ok\n[+]storage excluded: ok\n[+]other ok\nwarn: some health checks cannot be excluded: no matches for "none"\nreadyz check passed\n',
  )
})
