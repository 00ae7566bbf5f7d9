/**
 * The steps of a start as health checks under upstream's names, which operators' tools and `?exclude=` know. What a name stands
 * for is done before the server serves, but for what needs its port.
 */
import { ALL_KINDS } from './health.ts'
import type { HealthChecks } from './health.ts'

/** In upstream's order. */
const HOOKS = [
  'start-apiserver-admission-initializer',
  'generic-apiserver-start-informers',
  'priority-and-fairness-config-consumer',
  'priority-and-fairness-filter',
  'storage-object-count-tracker-hook',
  'start-apiextensions-informers',
  'start-apiextensions-controllers',
  'crd-informer-synced',
  'start-system-namespaces-controller',
  'peer-endpoint-reconciler-controller',
  'start-cluster-authentication-info-controller',
  'start-kube-apiserver-identity-lease-controller',
  'start-kube-apiserver-identity-lease-garbage-collector',
  'storage-readiness',
  'start-legacy-token-tracking-controller',
  'start-service-ip-repair-controllers',
  'rbac/bootstrap-roles',
  'scheduling/bootstrap-system-priority-classes',
  'priority-and-fairness-config-producer',
  'bootstrap-controller',
  'start-kubernetes-service-cidr-controller',
]
/** They write the Service `kubernetes`, which leads to the port. */
const AFTER_LISTENING = new Set(['bootstrap-controller', 'start-service-ip-repair-controllers', 'start-kubernetes-service-cidr-controller'])
const AGGREGATOR_HOOKS = [
  'aggregator-reload-proxy-client-cert',
  'start-kube-aggregator-informers',
  'apiservice-status-local-available-controller',
  'apiservice-status-remote-available-controller',
  'apiservice-registration-controller',
  'apiservice-wait-for-first-sync',
  'apiservice-discovery-controller',
  'kube-apiserver-autoregistration',
]
const OPENAPI_HOOKS = ['apiservice-openapi-controller', 'apiservice-openapiv3-controller']

export interface StartChecksOptions {
  /** Asks the store for something; throws where it does not answer. */
  askStore?: () => Promise<unknown>
  aggregates: boolean
  isListening(): boolean
}

export function addStartChecks(health: HealthChecks, { askStore, aggregates, isListening }: StartChecksOptions): void {
  const done = (): void => {}
  const afterListening = (): void => {
    if (!isListening()) throw new Error('not finished')
  }
  const hook = (name: string, check: () => void): void => health.add({ name: `poststarthook/${name}`, kinds: ALL_KINDS, check })
  health.add({ name: 'log', kinds: ALL_KINDS, check: done })
  if (askStore) {
    const check = async (): Promise<void> => void (await askStore())
    // Whether the server is ready is a question of its own.
    health.add({ name: 'etcd', kinds: ['healthz', 'livez'], check })
    health.add({ name: 'etcd-readiness', kinds: ['readyz'], check })
  }
  health.add({ name: 'informer-sync', kinds: ['readyz'], check: done })
  for (const name of HOOKS) hook(name, AFTER_LISTENING.has(name) ? afterListening : done)
  if (!aggregates) return
  for (const name of AGGREGATOR_HOOKS) hook(name, done)
  health.add({ name: 'autoregister-completion', kinds: ALL_KINDS, check: done })
  for (const name of OPENAPI_HOOKS) hook(name, done)
}
