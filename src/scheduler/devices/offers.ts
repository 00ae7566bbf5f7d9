/** What each node has for a pod's claims, purely. */
import type { Node } from '../../api/kinds/core/v1.ts'
import type { ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'
import { keyOf } from '../../api/resource.ts'
import { FITS, refuses, type Refusal, type Verdict } from '../framework.ts'
import type { NodeInfo } from '../nodeInfo.ts'
import { allocate, NodeAllocationError } from './allocator.ts'
import type { Offer, State, World } from './attempt.ts'
import { takenBy } from './claims.ts'
import { extendedRequests, type ClassOf } from './extendedResources.ts'
import { poolsOn } from './pools.ts'
import { isBindingHopeless } from './readiness.ts'

function isUsableOn({ status }: ResourceClaim, node: Node): boolean {
  const selector = status?.allocation?.nodeSelector
  return !selector || matchesNodeSelectorTerms(selector.nodeSelectorTerms, node)
}

/** The claim for what the node has no device plugin for; undefined where that is nothing. */
function extendedOn({ pod, extended }: State, node: NodeInfo, classOf: ClassOf): Offer['extended'] {
  const missing = (extended?.resources ?? []).filter((name) => !node.allocatable.get(name))
  if (!extended || missing.length === 0) return undefined
  const { requests, mappings } = extendedRequests(pod, missing, classOf)
  return { claim: { ...extended.claim, spec: { devices: { requests } } }, mappings }
}

export function claimFilter(state: State, world: World): (node: NodeInfo) => Verdict {
  const { pod, claims, toAllocate, byNode, unavailable } = state
  const known = world.pools()
  const taken = takenBy([...world.claims.list().map(({ status }) => status?.allocation), ...world.pending.values()])
  const classes = { get: (name: string) => world.classes.get(name) }
  const nowMs = world.clock.now()

  function offerOn(info: NodeInfo): Offer | Refusal {
    const extended = extendedOn(state, info, world.classOf)
    const wanted = extended ? [...toAllocate, extended.claim] : toAllocate
    if (wanted.length === 0) return { results: [] }
    try {
      const pools = poolsOn(info.node, known)
      const results = allocate(wanted, { node: info.node, pools, taken, classes, selects: world.selects })
      return results ? { results, ...(extended && { extended }) } : refuses('cannot allocate all claims', false)
    } catch (error) {
      world.log.debug('devices could not be allocated', { pod: keyOf(pod), node: info.name, cause: String(error) })
      if (error instanceof NodeAllocationError) return refuses(error.message, false)
      const message = error instanceof Error ? error.message : String(error)
      throw new Error(`running "DynamicResources" filter plugin: ${message}`, { cause: error })
    }
  }

  return (info) => {
    // One of an earlier attempt goes first (postFilter).
    if (state.extended?.claim.metadata.name) return refuses('cannot schedule extended resource claim', true)
    const offer = offerOn(info)
    if ('fits' in offer) return offer
    const missed = claims.filter(
      (claim) => claim.status?.allocation && (!isUsableOn(claim, info.node) || isBindingHopeless(claim, nowMs, world.bindingTimeoutMs)),
    )
    for (const claim of missed) unavailable.add(claim)
    if (missed.length > 0) return refuses('resourceclaim not available on the node', false)
    byNode.set(info.name, offer)
    return FITS
  }
}
