/**
 * DynamicResources: a pod goes where its ResourceClaims are allocated or can be; what it takes there is held in memory from the
 * decision on and written into the claims before the pod is bound (structured parameters, resource.k8s.io/v1).
 */
import type { ContainerExtendedResourceRequest, Node, Pod } from '../../api/kinds/core/v1.ts'
import {
  deviceclasses,
  resourceclaims,
  resourceslices,
  type AllocationResult,
  type DeviceClass,
  type DeviceSelector,
  type ResourceClaim,
  type ResourceSlice,
} from '../../api/kinds/resource/v1.ts'
import { deepEqual, isConditionTrue, timestamp } from '../../api/meta.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'
import { keyOf } from '../../api/resource.ts'
import { isConflict, isNotFound } from '../../api/status.ts'
import { orAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { compileDeviceSelector, selectsDevice } from '../../cel/deviceSelector.ts'
import type { Program } from '../../cel/program.ts'
import type { Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { allocate, AllocationError } from '../devices/allocator.ts'
import { claimsOf, isReservedFor, RESERVED_FOR_MAX, takenBy } from '../devices/claims.ts'
import { claimTemplate, classResolver, extendedRequests, madeFor } from '../devices/extendedResources.ts'
import { newestSlices, poolsOn, type PoolDevice } from '../devices/pools.ts'
import {
  ADD,
  UPDATE,
  UPDATE_NODE_ALLOCATABLE,
  UPDATE_NODE_LABEL,
  UPDATE_POD_GENERATED_RESOURCE_CLAIM,
  type ClusterEvent,
} from '../events.ts'
import { FITS, refuses, type Plugin, type PostFilterResult, type Prepared, type Refusal, type Scoring, type Verdict } from '../framework.ts'
import type { NodeInfo } from '../nodeInfo.ts'
import type { PodInfo } from '../podInfo.ts'
import { createExtendedClaim, removeExtendedClaim, tellPod } from './extendedClaims.ts'

export interface DynamicResourcesOptions {
  client: Client
  informers: Informers
  clock: Clock
  log: Logger
  signal: AbortSignal
  bindingTimeoutMs: number
}

const FINALIZER = 'resource.kubernetes.io/delete-protection'
const WRITE_TRIES = 5
/** Selectors that were compiled last stay. */
const PROGRAMS_MAX = 100
/** What a request's first alternative scores over its last (resource.k8s.io allows 8). */
const ALTERNATIVES_MAX = 8

/** What the pod would get on a node: for each claim of `toAllocate`, and behind those for the one of its extended resources. */
interface Offer {
  results: readonly AllocationResult[]
  extended?: { claim: ResourceClaim; mappings: ContainerExtendedResourceRequest[] }
}

interface State {
  claims: readonly ResourceClaim[]
  toAllocate: readonly ResourceClaim[]
  /** Extended resources with a class behind them, and the claim for those that the node has no device plugin for. */
  extended?: { resources: readonly string[]; claim: ResourceClaim }
  byNode: Map<string, Offer>
  unavailable: Set<ResourceClaim>
}

/** Compiled selectors by their text. */
class Programs {
  readonly #known = new Map<string, Program>()

  get(expression: string): Program {
    let program = this.#known.get(expression)
    if (!program) {
      program = compileDeviceSelector(expression)
      this.#known.set(expression, program)
      if (this.#known.size > PROGRAMS_MAX) this.#known.delete(this.#known.keys().next().value as string)
    }
    return program
  }
}

function classProblem({ spec }: ResourceClaim, classes: { get(name: string): DeviceClass | undefined }): string | undefined {
  for (const { name, exactly, firstAvailable = [] } of spec.devices?.requests ?? []) {
    const asked = exactly ? [[name, exactly] as const] : firstAvailable.map((one) => [`${name}/${one.name}`, one] as const)
    for (const [request, { deviceClassName }] of asked)
      if (!classes.get(deviceClassName)) return `request ${request}: device class ${deviceClassName} does not exist`
  }
  return undefined
}

const conditionsOf = (claim: ResourceClaim, list: 'bindingConditions' | 'bindingFailureConditions') =>
  (claim.status?.allocation?.devices?.results ?? []).map((result) => ({
    wanted: result[list] ?? [],
    conditions: claim.status?.devices?.find((d) => d.driver === result.driver && d.pool === result.pool && d.device === result.device)
      ?.conditions,
  }))

/** Devices that have to be made ready on the node say so in the claim's status. @throws when one failed */
function isReadyForBinding(claim: ResourceClaim): boolean {
  for (const { wanted, conditions } of conditionsOf(claim, 'bindingFailureConditions'))
    if (wanted.some((type) => isConditionTrue(conditions, type))) throw new Error(`claim ${claim.metadata.name} binding failed`)
  return conditionsOf(claim, 'bindingConditions').every(({ wanted, conditions }) =>
    wanted.every((type) => isConditionTrue(conditions, type)),
  )
}

function isUsableOn({ status }: ResourceClaim, node: Node): boolean {
  const selector = status?.allocation?.nodeSelector
  return !selector || matchesNodeSelectorTerms(selector.nodeSelectorTerms, node)
}

export function newDynamicResources(options: DynamicResourcesOptions): Plugin {
  const { client, informers, clock, log, signal: stop, bindingTimeoutMs } = options
  const [ofClaims, ofClasses, ofSlices] = [informers.for(resourceclaims), informers.for(deviceclasses), informers.for(resourceslices)]
  const programs = new Programs()
  const classOf = classResolver({ get: (name) => ofClasses.get(name), list: () => ofClasses.list() })
  const states = new WeakMap<Prepared, State>()
  /** Allocations that were decided and are not seen in the cache yet, by the claim's uid. */
  const pending = new Map<string, AllocationResult>()
  let published: { slices: readonly ResourceSlice[]; pools: ResourceSlice[][] } = { slices: [], pools: [] }

  function pools(): ResourceSlice[][] {
    const slices = ofSlices.list()
    if (!deepSame(slices, published.slices)) published = { slices, pools: newestSlices(slices) }
    return published.pools
  }

  const selects = ({ cel }: DeviceSelector, { driver, device }: PoolDevice): boolean =>
    cel !== undefined && selectsDevice(programs.get(cel.expression), { driver, ...device })

  /** The claim for what the node has no device plugin for; undefined where that is nothing. */
  function extendedOn(pod: Pod, node: NodeInfo, { resources, claim }: NonNullable<State['extended']>): Offer['extended'] {
    const missing = resources.filter((name) => !node.allocatable.get(name))
    if (missing.length === 0) return undefined
    const { requests, mappings } = extendedRequests(pod, missing, classOf)
    return { claim: { ...claim, spec: { devices: { requests } } }, mappings }
  }

  function claimFilter(pod: Pod, state: State): (node: NodeInfo) => Verdict {
    const known = pools()
    const taken = takenBy([...ofClaims.list().map(({ status }) => status?.allocation), ...pending.values()])
    return (info) => {
      const { node, name } = info
      const missed = state.claims.filter((claim) => claim.status?.allocation && !isUsableOn(claim, node))
      if (missed.length > 0) {
        for (const claim of missed) state.unavailable.add(claim)
        return refuses('resourceclaim not available on the node', false)
      }
      // One of an earlier attempt goes first (postFilter).
      if (state.extended?.claim.metadata.name) return refuses('cannot schedule extended resource claim', true)
      const extended = state.extended && extendedOn(pod, info, state.extended)
      const wanted = extended ? [...state.toAllocate, extended.claim] : state.toAllocate
      if (wanted.length === 0) return FITS
      try {
        const classes = { get: (className: string) => ofClasses.get(className) }
        const results = allocate(wanted, { node, pools: poolsOn(node, known), taken, classes, selects })
        if (!results) return refuses('cannot allocate all claims', false)
        state.byNode.set(name, { results, ...(extended && { extended }) })
        return FITS
      } catch (error) {
        log.debug('devices could not be allocated', { pod: keyOf(pod), node: name, cause: String(error) })
        if (error instanceof AllocationError) return refuses(error.message, false)
        throw new Error(`running "DynamicResources" filter plugin: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        })
      }
    }
  }

  /** What keeps the pod from every node, whatever there is on it. */
  function obstacle(pod: Pod, claims: readonly ResourceClaim[]): string | undefined {
    for (const claim of claims) {
      const { allocation, reservedFor = [] } = claim.status ?? {}
      if (allocation) {
        if (reservedFor.length >= RESERVED_FOR_MAX && !isReservedFor(claim, pod)) return 'resourceclaim in use'
        continue
      }
      if (pending.has(claim.metadata.uid)) return `resource claim ${keyOf(claim)} is in the process of being allocated`
      const problem = classProblem(claim, ofClasses)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  function prepare({ pod, requests }: PodInfo): Prepared | Refusal | undefined {
    const claims = claimsOf(pod, ofClaims)
    if (typeof claims === 'string') return refuses(claims, false)
    const resources =
      ofClasses.list().length === 0 ? [] : [...requests].flatMap(([name, amount]) => (amount > 0 && classOf(name) ? name : []))
    if (claims.length === 0 && resources.length === 0) return undefined
    const problem = obstacle(pod, claims)
    if (problem !== undefined) return refuses(problem, false)
    const toAllocate = claims.filter(({ status }) => !status?.allocation)
    const state: State = { claims, toAllocate, byNode: new Map(), unavailable: new Set() }
    if (resources.length > 0)
      state.extended = { resources, claim: madeFor(pod, ofClaims.list(pod.metadata.namespace)) ?? claimTemplate(pod) }
    const prepared = attempt(pod, state)
    states.set(prepared, state)
    return prepared
  }

  function attempt(pod: Pod, state: State): Prepared {
    const { claims, toAllocate } = state
    let held: Offer | undefined
    let made: ResourceClaim | undefined
    const taking = (): ResourceClaim[] => [...toAllocate, ...(held?.extended ? [held.extended.claim] : [])]
    const release = (): void => {
      for (const { metadata } of taking()) pending.delete(metadata.uid)
    }
    async function makeExtended({ claim, mappings }: NonNullable<Offer['extended']>, signal: AbortSignal): Promise<void> {
      const allocation = held?.results[toAllocate.length]
      made = await createExtendedClaim(client, claim, claim.spec.devices?.requests ?? [], signal)
      await bindClaim(made, pod, allocation, signal)
      await tellPod(client, pod, made.metadata.name, mappings, signal)
    }
    return {
      filter: claimFilter(pod, state),
      reserve(nodeName) {
        held = state.byNode.get(nodeName)
        if (toAllocate.length > 0 && !held) return refuses('cannot allocate all claims', false)
        taking().forEach(({ metadata }, i) => pending.set(metadata.uid, held?.results[i] as AllocationResult))
        return FITS
      },
      unreserve() {
        release()
        void giveBack(pod, claims)
        if (made)
          removeExtendedClaim(client, made, stop).catch((error: unknown) => {
            if (!stop.aborted) log.warn('a claim for extended resources is left', { pod: keyOf(pod), cause: String(error) })
          })
      },
      needsPreBind: () => state.extended !== undefined || claims.some((claim) => !claim.status?.allocation || !isReservedFor(claim, pod)),
      async preBind(_, signal) {
        for (const claim of claims) await bindClaim(claim, pod, held?.results[toAllocate.indexOf(claim)], signal)
        if (held?.extended) await makeExtended(held.extended, signal)
        // What is written counts as taken from memory until it counts from the cache.
        await allReady(made ? [...claims, made] : claims, signal)
        release()
      },
    }
  }

  /** Writes one claim's allocation and that the pod uses it. */
  async function bindClaim(known: ResourceClaim, pod: Pod, allocation: AllocationResult | undefined, signal: AbortSignal): Promise<void> {
    let claim = known
    for (let tries = 1; ; tries++) {
      try {
        const finalizers = claim.metadata.finalizers ?? []
        if (!claim.status?.allocation && !finalizers.includes(FINALIZER)) {
          const metadata = { ...claim.metadata, finalizers: [...finalizers, FINALIZER] }
          claim = await client.update(resourceclaims, { ...claim, metadata }, { signal })
        }
        await client.update(resourceclaims, reserved(claim, pod, allocation), { subresource: 'status', signal })
        return
      } catch (error) {
        if (!isConflict(error) || tries === WRITE_TRIES) throw error
        claim = await client.get(resourceclaims, { namespace: claim.metadata.namespace, name: claim.metadata.name, signal })
        if (claim.metadata.uid !== known.metadata.uid) throw new Error(`claim ${keyOf(known)} got replaced`, { cause: error })
        if (claim.metadata.deletionTimestamp !== undefined)
          throw new Error(`claim ${keyOf(known)} got deleted in the meantime`, { cause: error })
        if (known.status?.allocation && !deepEqual(known.status.allocation, claim.status?.allocation))
          throw new Error(`claim ${keyOf(known)} got deallocated elsewhere in the meantime`, { cause: error })
      }
    }
  }

  function reserved(claim: ResourceClaim, { metadata: { name, uid } }: Pod, allocation: AllocationResult | undefined): ResourceClaim {
    const { reservedFor = [] } = claim.status ?? {}
    if (claim.status?.allocation && allocation) throw new Error(`claim ${keyOf(claim)} got allocated elsewhere in the meantime`)
    const chosen = claim.status?.allocation ?? allocation
    const stamped = chosen && { allocationTimestamp: timestamp(clock.now()), ...chosen }
    return {
      ...claim,
      status: {
        ...claim.status,
        ...(stamped && { allocation: stamped }),
        reservedFor: reservedFor.some((one) => one.uid === uid) ? reservedFor : [...reservedFor, { resource: 'pods', name, uid }],
      },
    }
  }

  async function allReady(claims: readonly ResourceClaim[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = (): void => {
      try {
        const now = claims.map((claim) => ofClaims.get(keyOf(claim)) ?? claim)
        if (now.every((claim) => claim.status?.allocation && isReadyForBinding(claim))) resolve()
      } catch (error) {
        reject(error as Error)
      }
    }
    const end = ofClaims.onChange(check)
    try {
      check()
      await orAbort(promise, AbortSignal.any([signal, AbortSignal.timeout(bindingTimeoutMs)]))
    } finally {
      end()
    }
  }

  /** The pod did not get its node: its claims are free for others. */
  async function giveBack(pod: Pod, claims: readonly ResourceClaim[]): Promise<void> {
    for (const { metadata } of claims) {
      const now = ofClaims.get(keyOf({ metadata }))
      if (!now || !isReservedFor(now, pod)) continue
      const reservedFor = (now.status?.reservedFor ?? []).filter(({ uid }) => uid !== pod.metadata.uid)
      await client
        .update(resourceclaims, { ...now, status: { ...now.status, reservedFor } }, { subresource: 'status', signal: stop })
        .catch((error: unknown) => {
          if (!isNotFound(error) && !stop.aborted) log.warn('a claim is still reserved', { claim: keyOf(now), cause: String(error) })
        })
    }
  }

  /** A claim that is allocated where the pod cannot be, and that nobody uses, is allocated anew. */
  async function deallocate({ claims, unavailable, extended }: State, pod: Pod): Promise<PostFilterResult> {
    if (claims.length === 0 && !extended) return { message: 'no new claims to deallocate' }
    for (const claim of unavailable) {
      const { reservedFor = [] } = claim.status ?? {}
      if (reservedFor.length > 1 || (reservedFor.length === 1 && !isReservedFor(claim, pod))) continue
      const { allocation: _allocation, reservedFor: _reserved, devices: _devices, ...status } = claim.status ?? {}
      await client.update(resourceclaims, { ...claim, status }, { subresource: 'status', signal: stop })
      return { message: 'deallocation of ResourceClaim completed' }
    }
    if (extended?.claim.metadata.name) {
      await removeExtendedClaim(client, extended.claim, stop)
      return { message: 'deletion of ResourceClaim completed' }
    }
    return { message: 'still not schedulable' }
  }

  return {
    name: 'DynamicResources',
    events: [
      { resource: 'Node', actions: ADD | UPDATE_NODE_LABEL | UPDATE_NODE_ALLOCATABLE },
      { resource: 'ResourceClaim', actions: ADD | UPDATE, mayHelp: (pod, event) => isHelpedByClaim(pod, event) },
      {
        resource: 'Pod',
        actions: UPDATE_POD_GENERATED_RESOURCE_CLAIM,
        mayHelp: (pod, { after }) => after?.metadata.uid === pod.metadata.uid && typeof claimsOf(after as Pod, ofClaims) !== 'string',
      },
      { resource: 'DeviceClass', actions: ADD | UPDATE },
      { resource: 'ResourceSlice', actions: ADD | UPDATE },
    ],
    preEnqueue(pod) {
      if (!pod.spec.resourceClaims?.length) return undefined
      const claims = claimsOf(pod, ofClaims)
      return typeof claims === 'string' ? claims : undefined
    },
    prepare,
    score(_, __, ___, prepared) {
      const state = prepared && states.get(prepared)
      return state && state.toAllocate.length > 0 ? alternativeScoring(state) : undefined
    },
    postFilter({ pod, prepared }) {
      const own = prepared('DynamicResources')
      const state = own && states.get(own)
      if (!state) return { message: 'no new claims to deallocate' }
      return deallocate(state, pod.pod).catch((error: unknown) => ({ message: String(error), isError: true }))
    },
  }

  function isHelpedByClaim(pod: Pod, { before, after }: ClusterEvent): boolean {
    const claims = claimsOf(pod, ofClaims)
    if (typeof claims === 'string') return false
    const [old, now] = [before as ResourceClaim | undefined, after as ResourceClaim]
    if (old?.status?.allocation && !now.status?.allocation) return true
    if (!claims.some(({ metadata }) => metadata.uid === now.metadata.uid)) return false
    return !old || !deepEqual(old.status, now.status)
  }
}

const deepSame = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((item, i) => item === b[i])

/** Requests that get one of their first alternatives score higher. */
function alternativeScoring({ toAllocate, byNode }: State): Scoring {
  const rankOf = (claim: ResourceClaim, request: string): number => {
    const [name, alternative] = request.split('/')
    const { firstAvailable = [] } = claim.spec.devices?.requests?.find((one) => one.name === name) ?? {}
    const at = firstAvailable.findIndex((one) => one.name === alternative)
    return at < 0 ? 0 : ALTERNATIVES_MAX - at
  }
  return {
    of({ name }) {
      const results = byNode.get(name)?.results ?? []
      return toAllocate.reduce((sum, claim, i) => {
        const requests = new Set((results[i]?.devices?.results ?? []).map(({ request }) => request))
        return sum + [...requests].reduce((ranks, request) => ranks + rankOf(claim, request), 0)
      }, 0)
    },
    normalize(scores) {
      const max = scores.reduce((most, score) => Math.max(most, score), 0)
      return scores.map((score) => (max === 0 ? 0 : Math.floor((score * 100) / max)))
    },
  }
}
