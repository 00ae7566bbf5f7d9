import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service, ServiceSpec } from '../api/kinds/core/v1.ts'
import { CLEANUP, planLoadBalancer, type LoadBalancerFacts } from './loadBalancerPlan.ts'

const POOL = ['172.20.255.1', '172.20.255.2']
const [FIRST = '', SECOND = ''] = POOL

interface Known {
  ip?: string
  held?: boolean
  leaving?: boolean
  spec?: Partial<ServiceSpec>
}

function service({ ip, held, leaving, spec }: Known): Service {
  const metadata = { name: 's', namespace: 'n', uid: 's', resourceVersion: '1', creationTimestamp: '' }
  return {
    metadata: {
      ...metadata,
      finalizers: ['mine', ...(held ? [CLEANUP] : [])],
      ...(leaving && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: { type: 'LoadBalancer', ...spec },
    ...(ip && { status: { loadBalancer: { ingress: [{ ip }] } } }),
  }
}

const CASES: readonly (readonly [what: string, known: Known, facts: Partial<LoadBalancerFacts>, steps: string])[] = [
  ['a new one', {}, { ips: [FIRST] }, `EnsuringLoadBalancer, finalizers mine ${CLEANUP}, addresses ${FIRST}, EnsuredLoadBalancer`],
  ['one that has all', { ip: FIRST, held: true }, { ips: [FIRST] }, ''],
  [
    'one from before there was the finalizer',
    { ip: FIRST },
    { ips: [FIRST] },
    `EnsuringLoadBalancer, finalizers mine ${CLEANUP}, EnsuredLoadBalancer`,
  ],
  ['one that moves', { ip: FIRST, held: true }, { ips: [SECOND] }, `EnsuringLoadBalancer, addresses ${SECOND}, EnsuredLoadBalancer`],
  ['no address left', {}, { isShort: true }, `EnsuringLoadBalancer, finalizers mine ${CLEANUP}, SyncLoadBalancerFailed`],
  ['still no address left', { held: true }, { isShort: true }, 'SyncLoadBalancerFailed'],
  ['one that loses its address', { ip: FIRST, held: true }, { isShort: true }, 'EnsuringLoadBalancer, addresses , SyncLoadBalancerFailed'],
  [
    'one that leaves',
    { ip: FIRST, held: true, leaving: true },
    {},
    'DeletingLoadBalancer, finalizers mine, addresses , DeletedLoadBalancer',
  ],
  [
    'one that changed its type',
    { held: true, spec: { type: 'ClusterIP' } },
    {},
    'DeletingLoadBalancer, finalizers mine, DeletedLoadBalancer',
  ],
  ['another type', { spec: { type: 'NodePort' } }, {}, ''],
  ['another provider’s', { ip: FIRST, spec: { loadBalancerClass: 'x.io/y' } }, {}, ''],
  ['another provider’s that leaves', { ip: '1.2.3.4', leaving: true }, {}, ''],
]

for (const [what, known, facts, expected] of CASES)
  test(`a load balancer: ${what}`, () => {
    const steps = planLoadBalancer({ service: service(known), ips: [], isShort: false, pool: POOL, ...facts })
    const shown = steps.map((step) => {
      if (step.kind === 'tell') return step.reason
      return step.kind === 'setAddresses' ? `addresses ${step.ips.join(' ')}` : `finalizers ${step.finalizers.join(' ')}`
    })
    assert.equal(shown.join(', '), expected)
  })
