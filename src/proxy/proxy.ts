/**
 * kube-proxy: makes the addresses and node ports of Services lead to their endpoints, by nftables rules on the node
 * (the contract of kube-proxy's nftables mode). It follows Services and EndpointSlices and applies the difference between
 * the rule set that is in the kernel and the one that should be, as one transaction.
 */
import type { ComponentContext } from '../base/component.ts'
import { run } from '../base/exec.ts'
import { services } from '../api/kinds/core/v1.ts'
import { endpointslices } from '../api/kinds/discovery/v1.ts'
import type { Informers } from '../client/informer.ts'
import { buildRuleset, type Ruleset } from './ruleset.ts'
import { changeScript } from './script.ts'

export interface ProxyOptions {
  informers: Informers
  nodeName: string
  /** Hands a script to the kernel; `nft -f -` unless given. */
  apply?: (script: string, signal: AbortSignal) => Promise<void>
}

/** Changes that arrive within this become one transaction. */
const BATCH_MS = 5
const RETRY_MS = 1_000
const NFT_TIMEOUT_MS = 30_000
const SERVICE_NAME = 'kubernetes.io/service-name'
const BY_SERVICE = 'proxy/service'

async function applyWithNft(script: string, signal: AbortSignal): Promise<void> {
  await run('nft', ['-f', '-'], { input: script, signal, timeoutMs: NFT_TIMEOUT_MS })
}

export async function runProxy({ informers, nodeName, apply = applyWithNft }: ProxyOptions, context: ComponentContext): Promise<void> {
  const { signal, clock, log, ready } = context
  const serviceInformer = informers.for(services)
  const sliceInformer = informers.for(endpointslices)
  sliceInformer.addIndex(BY_SERVICE, ({ metadata }) => {
    const name = metadata.labels?.[SERVICE_NAME]
    return name ? [`${metadata.namespace}/${name}`] : []
  })

  let changed = Promise.withResolvers<void>()
  const stops = [serviceInformer.onChange(() => changed.resolve()), sliceInformer.onChange(() => changed.resolve())]
  signal.addEventListener('abort', () => changed.resolve(), { once: true })

  let applied: Ruleset | undefined
  try {
    await Promise.all([serviceInformer.synced(signal), sliceInformer.synced(signal)])
    while (!signal.aborted) {
      changed = Promise.withResolvers<void>()
      const wanted = buildRuleset({
        services: serviceInformer.list(),
        slicesOf: (key) => sliceInformer.byIndex(BY_SERVICE, key),
        nodeName,
      })
      const script = changeScript(applied, wanted)
      try {
        if (script) await apply(script, signal)
        applied = wanted
        ready()
      } catch (error) {
        if (signal.aborted) break
        // What the kernel holds is unknown now: the next try starts from nothing.
        applied = undefined
        log.error('could not apply the service rules', error)
        await clock.sleep(RETRY_MS, signal)
        continue
      }
      await changed.promise
      if (!signal.aborted) await clock.sleep(BATCH_MS, signal)
    }
  } finally {
    for (const stop of stops) stop()
  }
}
