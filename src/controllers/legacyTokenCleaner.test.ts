import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Secret, ServiceAccount } from '../api/kinds/core/v1.ts'
import { CLEAN_UP_PERIOD_MS, INVALID_SINCE, LAST_USED, planLegacyToken } from './legacyTokenCleaner.ts'

const NOW = Date.UTC(2026, 5, 1)

function secret(
  labels: Record<string, string> = {},
  creationTimestamp = '2020-01-01T00:00:00Z',
  type = 'kubernetes.io/service-account-token',
): Secret {
  return {
    metadata: { name: 's', namespace: 'ns', uid: 's', resourceVersion: '1', creationTimestamp, labels },
    type,
  }
}
const account: ServiceAccount = {
  metadata: { name: 'a', namespace: 'ns', uid: 'a', resourceVersion: '1', creationTimestamp: '' },
  secrets: [{ name: 's' }],
}

test('which tokens go', () => {
  const cases: [string, Secret, ServiceAccount | undefined, boolean, string][] = [
    ['never used', secret(), account, false, 'invalidate'],
    ['used lately', secret({ [LAST_USED]: '2025-12-24' }), account, false, 'keep'],
    ['used long ago', secret({ [LAST_USED]: '2025-01-01' }), account, false, 'invalidate'],
    ['used at an unknown time', secret({ [LAST_USED]: 'yesterday' }), account, false, 'keep'],
    ['young', secret({}, '2026-01-01T00:00:00Z'), account, false, 'keep'],
    ['mounted', secret(), account, true, 'keep'],
    ['made by hand', secret(), { ...account, secrets: [] }, false, 'keep'],
    ['of nobody', secret(), undefined, false, 'keep'],
    ['no token', secret({}, '2020-01-01T00:00:00Z', 'Opaque'), account, false, 'keep'],
    ['marked lately', secret({ [INVALID_SINCE]: '2026-01-01' }), account, false, 'keep'],
    ['marked long ago', secret({ [INVALID_SINCE]: '2025-01-01' }), account, false, 'delete'],
    ['marked wrongly', secret({ [INVALID_SINCE]: 'x' }), account, false, 'invalidate'],
  ]
  for (const [name, subject, owner, isMounted, expected] of cases)
    assert.equal(planLegacyToken({ secret: subject, account: owner, isMounted }, NOW, CLEAN_UP_PERIOD_MS), expected, name)
})
