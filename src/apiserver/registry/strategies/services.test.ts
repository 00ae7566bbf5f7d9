import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serviceStrategy } from './services.ts'
import type { Service, ServicePort, ServiceSpec } from '../../../api/kinds/core/v1.ts'
import type { StrategyContext } from '../strategy.ts'

const context = { services: { initFamilies: () => {} } } as unknown as StrategyContext
const changed = (next: ServiceSpec, old: ServiceSpec): ServiceSpec | undefined => {
  const [service, before] = [next, old].map((spec) => ({ metadata: { name: 's' }, spec }) as Service) as [Service, Service]
  serviceStrategy.prepareForUpdate?.(service, before, context)
  return service.spec
}

test('a port is known by its name: it keeps its node port', () => {
  const port = (name: string, number: number, nodePort?: number): ServicePort => ({ name, port: number, ...(nodePort && { nodePort }) })
  const old = [port('a', 80, 30001), port('b', 81, 30002)]
  const table: [ServicePort[], (number | undefined)[]][] = [
    [
      [port('a', 90), port('b', 81)],
      [30001, 30002],
    ],
    [
      [port('b', 80), port('a', 81)],
      [30002, 30001],
    ],
    [[port('c', 80)], [undefined]],
    [
      [port('a', 80), port('c', 82, 30001)],
      [undefined, 30001],
    ],
  ]
  for (const [ports, expected] of table) {
    const spec = changed({ type: 'NodePort', ports }, { type: 'LoadBalancer', ports: old })
    assert.deepEqual(
      spec?.ports?.map(({ nodePort }) => nodePort),
      expected,
    )
  }
})

test('a name elsewhere has no policy for traffic', () => {
  const old: ServiceSpec = { type: 'ExternalName', externalName: 'a.example' }
  assert.equal(changed({ ...old, internalTrafficPolicy: 'Local' }, old)?.internalTrafficPolicy, undefined)
  assert.equal(changed({ ...old, internalTrafficPolicy: 'x' }, old)?.internalTrafficPolicy, 'x', 'left to be refused')
})
