/**
 * DynamicResources: a pod goes where its ResourceClaims are allocated or can be; what it takes there is held in memory from the
 * decision on and written into the claims before the pod is bound (structured parameters, resource.k8s.io/v1).
 */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { deviceclasses, resourceclaims, resourceslices, type ResourceClaim, type ResourceSlice } from '../../api/kinds/resource/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import { alternativesScore } from '../devices/alternatives.ts'
import { stateOf, type DynamicResourcesOptions, type State, type World } from '../devices/attempt.ts'
import { claimsOf, isReservedFor } from '../devices/claims.ts'
import { deallocate } from '../devices/claimWrites.ts'
import { removeExtendedClaim } from '../devices/extendedClaims.ts'
import { classResolver } from '../devices/extendedResources.ts'
import { holding } from '../devices/holding.ts'
import { claimFilter } from '../devices/offers.ts'
import { newestSlices } from '../devices/pools.ts'
import { deviceSelection } from '../devices/selectors.ts'
import {
  ADD,
  UPDATE,
  UPDATE_NODE_ALLOCATABLE,
  UPDATE_NODE_LABEL,
  UPDATE_POD_GENERATED_RESOURCE_CLAIM,
  type ClusterEvent,
} from '../events.ts'
import { normalizeByMax, type Plugin, type PostFilterResult, type Prepared, type Scoring } from '../framework.ts'

function scoring({ claims, toAllocate, byNode }: State): Scoring {
  return {
    of({ name }) {
      const results = byNode.get(name)?.results ?? []
      return claims.reduce(
        (sum, claim) => sum + alternativesScore(claim, claim.status?.allocation ?? results[toAllocate.indexOf(claim)]),
        0,
      )
    },
    normalize: (scores) => normalizeByMax(scores, false),
  }
}

/** A claim that is allocated where the pod cannot be, and that nobody else uses, is allocated anew. */
async function makeRoom({ pod, unavailable, extended }: State, world: World): Promise<PostFilterResult> {
  for (const claim of unavailable) {
    const { reservedFor = [] } = claim.status ?? {}
    if (reservedFor.length > 1 || (reservedFor.length === 1 && !isReservedFor(claim, pod))) continue
    await deallocate(claim, world, world.signal)
    return { message: 'deallocation of ResourceClaim completed' }
  }
  if (extended?.claim.metadata.name) {
    await removeExtendedClaim(world.client, extended.claim, world.signal)
    return { message: 'deletion of ResourceClaim completed' }
  }
  return { message: 'still not schedulable' }
}

function isHelpedByClaim(pod: Pod, { before, after }: ClusterEvent, world: World): boolean {
  const claims = claimsOf(pod, world.claims)
  if (typeof claims === 'string') return false
  const [old, now] = [before as ResourceClaim | undefined, after as ResourceClaim]
  if (old?.status?.allocation && !now.status?.allocation) return true
  if (!claims.some(({ metadata }) => metadata.uid === now.metadata.uid)) return false
  return !old || !deepEqual(old.status, now.status)
}

const isSame = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((item, i) => item === b[i])

function worldOf(options: DynamicResourcesOptions): World {
  const { informers } = options
  const [claims, classes, slices] = [informers.for(resourceclaims), informers.for(deviceclasses), informers.for(resourceslices)]
  let published: { slices: readonly ResourceSlice[]; pools: ResourceSlice[][] } = { slices: [], pools: [] }
  return {
    ...options,
    claims,
    classes,
    classOf: classResolver({ get: (name) => classes.get(name), list: () => classes.list() }),
    selects: deviceSelection(),
    pending: new Map(),
    pools() {
      const now = slices.list()
      if (!isSame(now, published.slices)) published = { slices: now, pools: newestSlices(now) }
      return published.pools
    },
  }
}

export function newDynamicResources(options: DynamicResourcesOptions): Plugin {
  const world = worldOf(options)
  const states = new WeakMap<Prepared, State>()
  const known = (prepared: Prepared | undefined): State | undefined => prepared && states.get(prepared)
  return {
    name: 'DynamicResources',
    events: [
      { resource: 'Node', actions: ADD | UPDATE_NODE_LABEL | UPDATE_NODE_ALLOCATABLE },
      { resource: 'ResourceClaim', actions: ADD | UPDATE, mayHelp: (pod, event) => isHelpedByClaim(pod, event, world) },
      {
        resource: 'Pod',
        actions: UPDATE_POD_GENERATED_RESOURCE_CLAIM,
        mayHelp: (pod, { after }) => after?.metadata.uid === pod.metadata.uid && typeof claimsOf(after as Pod, world.claims) !== 'string',
      },
      { resource: 'DeviceClass', actions: ADD | UPDATE },
      { resource: 'ResourceSlice', actions: ADD | UPDATE },
    ],
    preEnqueue(pod) {
      if (!pod.spec.resourceClaims?.length) return undefined
      const claims = claimsOf(pod, world.claims)
      return typeof claims === 'string' ? claims : undefined
    },
    prepare(info) {
      const state = stateOf(info, world)
      if (!state || 'fits' in state) return state
      const prepared: Prepared = { filter: claimFilter(state, world), ...holding(state, world) }
      states.set(prepared, state)
      return prepared
    },
    score(_, __, ___, prepared) {
      const state = known(prepared)
      return state && state.toAllocate.length > 0 ? scoring(state) : undefined
    },
    postFilter({ prepared }) {
      const state = known(prepared('DynamicResources'))
      if (!state) return { message: 'no new claims to deallocate' }
      return makeRoom(state, world).catch((error: unknown) => ({ message: String(error), isError: true }))
    },
  }
}
