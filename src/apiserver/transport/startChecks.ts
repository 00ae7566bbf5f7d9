/**
 * The steps of a start as health checks under upstream's names, which operators' tools and `?exclude=` know: each fails until
 * what its name stands for is done. What has to hold later on, too, is asked each time.
 */
import { X509Certificate } from 'node:crypto'
import { ALL_KINDS } from './health.ts'
import type { HealthChecks } from './health.ts'

/** What the start goes through, in this order but for the last two, of which each has its own time. */
export type StartStep = 'bootstrapped' | 'synced' | 'serving' | 'listening' | 'registered'

/** In upstream's order. */
const HOOKS: readonly (readonly [name: string, step: StartStep])[] = [
  ['start-apiserver-admission-initializer', 'serving'],
  ['generic-apiserver-start-informers', 'synced'],
  ['priority-and-fairness-config-consumer', 'synced'],
  ['priority-and-fairness-filter', 'serving'],
  ['storage-object-count-tracker-hook', 'serving'],
  ['start-apiextensions-informers', 'synced'],
  ['start-apiextensions-controllers', 'synced'],
  ['crd-informer-synced', 'synced'],
  ['start-system-namespaces-controller', 'bootstrapped'],
  ['peer-endpoint-reconciler-controller', 'listening'],
  ['start-cluster-authentication-info-controller', 'bootstrapped'],
  ['start-kube-apiserver-identity-lease-controller', 'listening'],
  ['start-kube-apiserver-identity-lease-garbage-collector', 'listening'],
  ['storage-readiness', 'bootstrapped'],
  ['start-legacy-token-tracking-controller', 'bootstrapped'],
  ['start-service-ip-repair-controllers', 'listening'],
  ['rbac/bootstrap-roles', 'bootstrapped'],
  ['scheduling/bootstrap-system-priority-classes', 'bootstrapped'],
  ['priority-and-fairness-config-producer', 'bootstrapped'],
  ['bootstrap-controller', 'listening'],
  ['start-kubernetes-service-cidr-controller', 'listening'],
]
const AGGREGATOR_HOOKS: typeof HOOKS = [
  ['start-kube-aggregator-informers', 'synced'],
  ['apiservice-status-local-available-controller', 'synced'],
  ['apiservice-status-remote-available-controller', 'synced'],
  ['apiservice-registration-controller', 'synced'],
  ['apiservice-wait-for-first-sync', 'registered'],
  ['apiservice-discovery-controller', 'synced'],
  ['kube-apiserver-autoregistration', 'registered'],
]
const OPENAPI_HOOKS: typeof HOOKS = [
  ['apiservice-openapi-controller', 'serving'],
  ['apiservice-openapiv3-controller', 'serving'],
]

export interface StartChecksOptions {
  /** Asks the store for something; throws where it does not answer. */
  askStore?: () => Promise<unknown>
  /** PEM of the certificate shown to other servers; undefined where nothing is aggregated. */
  proxyCertificate?: string
  /** PEM of the certificate by which the server is known. */
  servingCertificate: string
  now: () => number
}

export class StartChecks {
  readonly #done = new Set<StartStep>()

  finish(step: StartStep): void {
    this.#done.add(step)
  }

  addTo(health: HealthChecks, { askStore, proxyCertificate, servingCertificate, now }: StartChecksOptions): void {
    const after = (step: StartStep) => (): void => {
      if (!this.#done.has(step)) throw new Error('not finished')
    }
    const hook = (name: string, check: () => void): void => health.add({ name: `poststarthook/${name}`, kinds: ALL_KINDS, check })
    const hooks = (all: typeof HOOKS): void => all.forEach(([name, step]) => hook(name, after(step)))
    // Lines are written as they come: there is no buffer that could be stuck.
    health.add({ name: 'log', kinds: ALL_KINDS, check: () => {} })
    health.add({ name: 'loopback-serving-certificate', kinds: ['healthz', 'livez'], check: certificateCheck(servingCertificate, now) })
    if (askStore) {
      const check = async (): Promise<void> => void (await askStore())
      // Whether the server is ready is a question of its own.
      health.add({ name: 'etcd', kinds: ['healthz', 'livez'], check })
      health.add({ name: 'etcd-readiness', kinds: ['readyz'], check })
    }
    health.add({ name: 'informer-sync', kinds: ['readyz'], check: after('synced') })
    hooks(HOOKS)
    if (proxyCertificate === undefined) return
    hook('aggregator-reload-proxy-client-cert', certificateCheck(proxyCertificate, now))
    hooks(AGGREGATOR_HOOKS)
    health.add({ name: 'autoregister-completion', kinds: ALL_KINDS, check: after('registered') })
    hooks(OPENAPI_HOOKS)
  }
}

/** Nobody would believe one that is out of its time. */
function certificateCheck(pem: string, now: () => number): () => void {
  const { validFromDate, validToDate } = new X509Certificate(pem)
  return () => {
    if (now() < validFromDate.getTime() || now() > validToDate.getTime()) throw new Error(`valid until ${validToDate.toISOString()}`)
  }
}
