/** When a cluster is truly usable: its node is Ready, names resolve through the service network, pods can have an identity. */
import { Resolver } from 'node:dns/promises'
import { orAbort } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { nodes, serviceaccounts } from '../api/kinds/core/v1.ts'
import { isConditionTrue } from '../api/meta.ts'
import type { KubeObject, Resource } from '../api/resource.ts'
import type { Informers } from '../client/informer.ts'

const DNS_RETRY_MS = 10
const DNS_TIMEOUT_MS = 500

/** Resolves once an object of the resource satisfies `check`. */
async function untilSome<T extends KubeObject>(
  informers: Informers,
  resource: Resource<T>,
  check: (object: T) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const stop = informers.for(resource).onChange(({ after }) => {
    if (after && check(after)) resolve()
  })
  try {
    await orAbort(promise, signal)
  } finally {
    stop()
  }
}

export function nodeReady(informers: Informers, nodeName: string, signal: AbortSignal): Promise<void> {
  return untilSome(
    informers,
    nodes,
    ({ metadata, status }) => metadata.name === nodeName && isConditionTrue(status?.conditions, 'Ready'),
    signal,
  )
}

export function defaultServiceAccount(informers: Informers, signal: AbortSignal): Promise<void> {
  return untilSome(informers, serviceaccounts, ({ metadata }) => metadata.namespace === 'default' && metadata.name === 'default', signal)
}

/** Asks the cluster's DNS at its service address, as a pod would. */
export async function dnsAnswers(clusterDns: string, clusterDomain: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: 1 })
  resolver.setServers([clusterDns])
  for (;;) {
    signal.throwIfAborted()
    try {
      await resolver.resolve4(`kubernetes.default.svc.${clusterDomain}`)
      return
    } catch {
      await clock.sleep(DNS_RETRY_MS, signal)
    }
  }
}
