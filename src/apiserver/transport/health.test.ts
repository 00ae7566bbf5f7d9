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
    (await health.report('readyz', { verbose: true, exclude: ['storage', 'none', 'b'] })).text,
    '[+]ping ok\n[+]storage excluded: ok\n[+]other ok\nwarn: some health checks cannot be excluded: no matches for "none","b"\nreadyz check passed\n',
  )
})

test('what was asked for is counted', async () => {
  const health = new HealthChecks(() => {})
  assert.match(await health.slis(), /^kubernetes_healthcheck\{name="ping",type="readyz"\} 1$/m, 'nobody has asked')
  let isBroken = true
  const check = (): void => {
    if (isBroken) throw new Error('broken')
  }
  health.add({ name: 'log', kinds: ['livez'], check })
  await health.report('livez', { verbose: false, exclude: ['ping'] })
  assert.match(await health.slis(), /^kubernetes_healthcheck\{name="log",type="livez"\} 0$/m)
  isBroken = false
  await health.report('livez', { verbose: false, exclude: ['ping'] })
  const lines = (await health.slis()).split('\n')
  for (const line of [
    'kubernetes_healthcheck{name="log",type="livez"} 1',
    'kubernetes_healthchecks_total{name="log",status="error",type="livez"} 1',
    'kubernetes_healthchecks_total{name="log",status="success",type="livez"} 1',
  ])
    assert.ok(lines.includes(line), line)
  assert.ok(!lines.some((line) => line.includes('name="ping",type="livez"')))
})

test('a check by itself tells why it fails, whatever is excluded', async () => {
  const health = new HealthChecks(() => {})
  health.add({ name: 'etcd', kinds: ['livez'], check: () => Promise.reject(new Error('no answer')) })
  assert.deepEqual(await health.reportOne('livez', 'ping'), { ok: true, text: 'ok' })
  assert.deepEqual(await health.reportOne('livez', 'etcd'), { ok: false, text: 'internal server error: no answer\n' })
  assert.equal(await health.reportOne('readyz', 'etcd'), undefined)
})
