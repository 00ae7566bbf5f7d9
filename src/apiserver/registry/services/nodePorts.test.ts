import { test } from 'node:test'
import assert from 'node:assert/strict'
import { PortOperation, allocateNodePorts } from './nodePorts.ts'
import { Pool } from './pool.ts'
import type { Service, ServiceSpec } from '../../../api/kinds/core/v1.ts'

const RANGE = { first: 30_000, last: 30_009 }
const service = (spec: ServiceSpec): Service => ({ metadata: { name: 'a' }, spec: { type: 'NodePort', ...spec } }) as Service
const port = (number: number, nodePort?: number, protocol = 'TCP'): { port: number; nodePort?: number; protocol: string } => ({
  port: number,
  protocol,
  ...(nodePort && { nodePort }),
})

function write(
  spec: ServiceSpec,
  { old, dryRun = false, taken = [] }: { old?: ServiceSpec; dryRun?: boolean; taken?: number[] } = {},
): unknown {
  const pool = new Pool({ first: RANGE.first, size: 10, staticSize: 0 })
  for (const each of taken) pool.reserve(each)
  const next = service(spec)
  try {
    allocateNodePorts(next, old && service(old), new PortOperation(pool, RANGE, dryRun))
  } catch (error) {
    return (error as Error).message.replace(/^.*is invalid: /, '')
  }
  return [...(next.spec.ports ?? []).map(({ nodePort }) => nodePort), next.spec.healthCheckNodePort].filter(Boolean)
}

const OUT_OF_RANGE = 'provided port is not in the valid range. The range of valid ports is 30000-30009'
const balanced: ServiceSpec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', allocateLoadBalancerNodePorts: false }

test('node ports are given, shared and refused', () => {
  const rows: [string, unknown, unknown][] = [
    ['the same port shares', write({ ports: [port(53, 30_001), port(53, undefined, 'UDP')] }), [30_001, 30_001]],
    ['whichever names it first', write({ ports: [port(53), port(53, 30_001, 'UDP')] }), [30_001, 30_001]],
    ['out of range', write({ ports: [port(80, 80)] }), `spec.ports[0].nodePort: Invalid value: 80: ${OUT_OF_RANGE}`],
    [
      'taken',
      write({ ports: [port(80, 30_001)] }, { taken: [30_001] }),
      'spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated',
    ],
    ['a dry run knows no range', write({ ports: [port(80, 80), port(81)] }, { dryRun: true }), [80, 81]],
    ['and guesses', write({ ports: [port(80), port(81)] }, { dryRun: true }), [32_769, 32_770]],
    ['the largest wraps', write({ ports: [port(80, 2_147_483_647), port(81)] }, { dryRun: true }), [2_147_483_647, -2_147_483_648]],
    ['none wanted', write({ type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [port(80), port(81, 30_002)] }), [30_002]],
    ['known ones stay', write({ ports: [port(80, 30_001)] }, { old: { ports: [port(80, 30_001)] }, taken: [30_001] }), [30_001]],
    ['twice in a change', write({ ports: [port(80, 30_001), port(81, 30_001)] }, { old: {} }), 'duplicate nodePort: {TCP 30001}'],
    ['health checks', write({ ...balanced, healthCheckNodePort: 30_003 }), [30_003]],
    [
      'health checks out of range',
      write({ ...balanced, healthCheckNodePort: 5 }),
      `Internal error occurred: failed to allocate requested HealthCheck NodePort 5: ${OUT_OF_RANGE}`,
    ],
    [
      'another one is for validation',
      write({ ...balanced, healthCheckNodePort: 5 }, { old: { ...balanced, healthCheckNodePort: 30_003 } }),
      [5],
    ],
  ]
  for (const [name, actual, expected] of rows) assert.deepEqual(actual, expected, name)
})
