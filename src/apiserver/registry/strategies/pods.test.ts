import { test } from 'node:test'
import assert from 'node:assert/strict'
import { podStrategy } from './pods.ts'
import type { Pod } from '../../../api/kinds/core/v1.ts'
import type { StrategyContext } from '../strategy.ts'

test('what was observed is not forgotten', () => {
  const of = (status: object): Pod => ({ metadata: { name: 'a' }, spec: { containers: [] }, status }) as unknown as Pod
  const ready = (observedGeneration?: number): object => ({
    type: 'Ready',
    status: 'True',
    ...(observedGeneration && { observedGeneration }),
  })
  const next = of({ conditions: [ready(), ready(5), ready()] })
  podStrategy.prepareForStatusUpdate?.(next, of({ observedGeneration: 3, conditions: [ready(1), ready(2)] }), {} as StrategyContext)
  assert.deepEqual(next.status, { observedGeneration: 3, conditions: [ready(1), ready(5), ready()] })
})

const KEY = 'container.apparmor.security.beta.kubernetes.io/c'
const WARNING = `metadata.annotations[${KEY}]: deprecated since v1.30; use the "appArmorProfile" field instead`

test('what annotations say of AppArmor goes into the fields', () => {
  const rows: [string, string, object, unknown, string[]][] = [
    ['the default', 'runtime/default', {}, { type: 'RuntimeDefault' }, [WARNING]],
    ['of the node', 'localhost/a', {}, { type: 'Localhost', localhostProfile: 'a' }, [WARNING]],
    ['nothing to derive', 'localhost/', {}, undefined, [WARNING]],
    ['as the pod has it', 'unconfined', { securityContext: { appArmorProfile: { type: 'Unconfined' } } }, undefined, []],
    ['not on Windows', 'unconfined', { os: { name: 'windows' } }, undefined, []],
  ]
  for (const [name, annotation, spec, profile, expected] of rows) {
    const warnings: string[] = []
    const pod = {
      metadata: { name: 'a', annotations: { [KEY]: annotation } },
      spec: { containers: [{ name: 'c' }], ...spec },
    } as unknown as Pod
    podStrategy.prepareForCreate?.(pod, { warnings } as unknown as StrategyContext)
    assert.deepEqual(pod.spec.containers[0]?.securityContext?.appArmorProfile, profile, name)
    assert.deepEqual(warnings, expected, name)
  }
})
