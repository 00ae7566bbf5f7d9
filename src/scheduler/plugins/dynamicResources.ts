/**
 * DynamicResources: a pod goes where its ResourceClaims are allocated or can be; what it takes there is held in memory from the
 * decision on and written into the claims before the pod is bound (structured parameters, resource.k8s.io/v1).
 */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
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
import { allocate } from '../devices/allocator.ts'
import { claimsOf, isReservedFor, RESERVED_FOR_MAX, takenBy } from '../devices/claims.ts'
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

interface State {
  claims: readonly ResourceClaim[]
  toAllocate: readonly ResourceClaim[]
  byNode: Map<string, readonly AllocationResult[]>
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
  const states = new WeakMap<Prepared, State>()
  /** Allocations that were decided and are not seen in the cache yet, by the claim's uid. */
  const pending = new Map<string, AllocationResult>()
  let published: { slices: readonly ResourceSlice[]; pools: ResourceSlice[][] } = { slices: [], pools: [] }

  function pools(): ResourceSlice[][] {
    const slices = ofSlices.list()
    if (!deepSame(slices, published.slices)) published = { slices, pools: newestSlices(slices) }
    return published.pools
  }

  const selects = (selectors: readonly DeviceSelector[], { driver, device }: PoolDevice): boolean =>
    selectors.every(({ cel }) => cel !== undefined && selectsDevice(programs.get(cel.expression), { driver, ...device }))

  function claimFilter(pod: Pod, state: State): (node: NodeInfo) => Verdict {
    const known = pools()
    const taken = takenBy([...ofClaims.list().map(({ status }) => status?.allocation), ...pending.values()])
    return ({ node, name }) => {
      const missed = state.claims.filter((claim) => claim.status?.allocation && !isUsableOn(claim, node))
      if (missed.length > 0) {
        for (const claim of missed) state.unavailable.add(claim)
        return refuses('resourceclaim not available on the node', false)
      }
      if (state.toAllocate.length === 0) return FITS
      try {
        const classes = { get: (className: string) => ofClasses.get(className) }
        const results = allocate(state.toAllocate, { node, pools: poolsOn(node, known), taken, classes, selects })
        if (!results) return refuses('cannot allocate all claims', false)
        state.byNode.set(name, results)
        return FITS
      } catch (error) {
        log.debug('devices could not be allocated', { pod: keyOf(pod), node: name, cause: String(error) })
        return refuses(error instanceof Error ? error.message : String(error), false)
      }
    }
  }

  function prepare(pod: Pod): Prepared | Refusal | undefined {
    const claims = claimsOf(pod, ofClaims)
    if (typeof claims === 'string') return refuses(claims, false)
    if (claims.length === 0) return undefined
    for (const claim of claims) {
      const { allocation, reservedFor = [] } = claim.status ?? {}
      if (allocation) {
        if (reservedFor.length >= RESERVED_FOR_MAX && !isReservedFor(claim, pod)) return refuses('resourceclaim in use', false)
        continue
      }
      if (pending.has(claim.metadata.uid)) return refuses(`resource claim ${keyOf(claim)} is in the process of being allocated`, false)
      const problem = classProblem(claim, ofClasses)
      if (problem !== undefined) return refuses(problem, false)
    }
    const toAllocate = claims.filter(({ status }) => !status?.allocation)
    const state: State = { claims, toAllocate, byNode: new Map(), unavailable: new Set() }
    const filter = claimFilter(pod, state)
    let held: readonly AllocationResult[] | undefined
    const release = (): void => {
      for (const { metadata } of toAllocate) pending.delete(metadata.uid)
    }
    const prepared: Prepared = {
      filter,
      reserve(nodeName) {
        held = state.byNode.get(nodeName)
        if (toAllocate.length > 0 && !held) return refuses('cannot allocate all claims', false)
        toAllocate.forEach(({ metadata }, i) => pending.set(metadata.uid, held?.[i] as AllocationResult))
        return FITS
      },
      unreserve() {
        release()
        void giveBack(pod, claims)
      },
      needsPreBind: () => claims.some((claim) => !claim.status?.allocation || !isReservedFor(claim, pod)),
      async preBind(_, signal) {
        for (const claim of claims) await bindClaim(claim, pod, held?.[toAllocate.indexOf(claim)], signal)
        // What is written counts as taken from memory until it counts from the cache.
        await allReady(claims, signal)
        release()
      },
    }
    states.set(prepared, state)
    return prepared
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
    const hasConditions = (chosen?.devices?.results ?? []).some(({ bindingConditions = [] }) => bindingConditions.length > 0)
    const stamped = allocation && hasConditions ? { ...allocation, allocationTimestamp: timestamp(clock.now()) } : chosen
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
  async function deallocate({ claims, unavailable }: State, pod: Pod): Promise<PostFilterResult> {
    if (claims.length === 0) return { message: 'no new claims to deallocate' }
    for (const claim of unavailable) {
      const { reservedFor = [] } = claim.status ?? {}
      if (reservedFor.length > 1 || (reservedFor.length === 1 && !isReservedFor(claim, pod))) continue
      const { allocation: _allocation, reservedFor: _reserved, devices: _devices, ...status } = claim.status ?? {}
      await client.update(resourceclaims, { ...claim, status }, { subresource: 'status', signal: stop })
      return { message: 'deallocation of ResourceClaim completed' }
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
    prepare: ({ pod }) => (pod.spec.resourceClaims?.length ? prepare(pod) : undefined),
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
      const results = byNode.get(name) ?? []
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
