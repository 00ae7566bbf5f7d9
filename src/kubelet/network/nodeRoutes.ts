/**
 * Routes between nodes (the contract of the cloud's route controller): the pods of every other node are reached by way of that
 * node's own address. All nodes are in one network, so that the next hop is always a neighbour.
 */
import { Changes, runApplyLoop } from '../../base/applyLoop.ts'
import type { ComponentContext } from '../../base/component.ts'
import { run } from '../../base/exec.ts'
import { nodes } from '../../api/kinds/core/v1.ts'
import type { Node } from '../../api/kinds/core/v1.ts'
import type { Informers } from '../../client/informer.ts'

export interface NodeRoutesOptions {
  informers: Informers
  nodeName: string
}

/** Marks our routes among the kernel's. */
const PROTOCOL = '201'
const COMMAND_TIMEOUT_MS = 10_000

/** Range of pods → the address that leads there, for the nodes that are not this one. */
export function plannedRoutes(all: readonly Node[], nodeName: string): Map<string, string> {
  const routes = new Map<string, string>()
  for (const { metadata, spec, status } of all) {
    if (metadata.name === nodeName || metadata.deletionTimestamp) continue
    for (const range of spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : [])) {
      const isIpv6 = range.includes(':')
      const via = status?.addresses?.find(({ type, address }) => type === 'InternalIP' && address.includes(':') === isIpv6)?.address
      if (via) routes.set(range, via)
    }
  }
  return routes
}

/** The lines for `ip -batch` that lead from one set of routes to another. */
export function routeChanges(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const gone = [...before.keys()].filter((range) => !after.has(range))
  const fresh = [...after].filter(([range, via]) => before.get(range) !== via)
  return [
    ...gone.map((range) => `route del ${range} proto ${PROTOCOL}`),
    ...fresh.map(([range, via]) => `route replace ${range} via ${via} proto ${PROTOCOL}`),
  ]
}

async function presentRoutes(signal: AbortSignal): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const family of ['-4', '-6']) {
    const { stdout } = await run('ip', [family, '-json', 'route', 'show', 'proto', PROTOCOL], { signal, timeoutMs: COMMAND_TIMEOUT_MS })
    for (const { dst, gateway = '' } of JSON.parse(stdout || '[]') as { dst: string; gateway?: string }[]) found.set(dst, gateway)
  }
  return found
}

export async function runNodeRoutes({ informers, nodeName }: NodeRoutesOptions, context: ComponentContext): Promise<void> {
  const informer = informers.for(nodes)
  const changes = new Changes()
  const stop = informer.onChange(changes.tell)
  let present: Map<string, string> | undefined

  async function applyRoutes(signal: AbortSignal): Promise<void> {
    const wanted = plannedRoutes(informer.list(), nodeName)
    present ??= await presentRoutes(signal)
    const lines = routeChanges(present, wanted)
    if (lines.length > 0)
      await run('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n`, signal, timeoutMs: COMMAND_TIMEOUT_MS })
    present = wanted
  }

  const forget = (): void => {
    present = undefined
  }
  try {
    await informer.synced(context.signal)
    await runApplyLoop({ failure: 'the routes to other nodes could not be set', apply: applyRoutes, forget }, changes, context)
  } finally {
    stop()
  }
}
