/** A pod's attempt to get its devices: what is known of its claims, and what all attempts share. */
import type { ContainerExtendedResourceRequest, Pod } from '../../api/kinds/core/v1.ts'
import type { AllocationResult, DeviceClass, ResourceClaim, ResourceSlice } from '../../api/kinds/resource/v1.ts'
import { keyOf } from '../../api/resource.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Informer, Informers } from '../../client/informer.ts'
import { refuses, type Refusal } from '../framework.ts'
import type { PodInfo } from '../podInfo.ts'
import { claimsOf, isReservedFor, RESERVED_FOR_MAX } from './claims.ts'
import { claimTemplate, madeFor, type ClassOf } from './extendedResources.ts'
import type { deviceSelection } from './selectors.ts'

export interface DynamicResourcesOptions {
  client: Client
  informers: Informers
  events: EventRecorder
  clock: Clock
  log: Logger
  signal: AbortSignal
  bindingTimeoutMs: number
}

/** What the pod would get on a node: for each claim of `toAllocate`, and behind those for the one of its extended resources. */
export interface Offer {
  results: readonly AllocationResult[]
  extended?: { claim: ResourceClaim; mappings: ContainerExtendedResourceRequest[] }
}

/** What is known of a pod's claims through its attempt. */
export interface State {
  pod: Pod
  claims: readonly ResourceClaim[]
  toAllocate: readonly ResourceClaim[]
  /** Extended resources with a class behind them, and the claim for those that the node has no device plugin for. */
  extended?: { resources: readonly string[]; claim: ResourceClaim }
  byNode: Map<string, Offer>
  unavailable: Set<ResourceClaim>
}

/** What all attempts share. */
export interface World extends DynamicResourcesOptions {
  claims: Informer<ResourceClaim>
  classes: Informer<DeviceClass>
  classOf: ClassOf
  selects: ReturnType<typeof deviceSelection>
  pools(): readonly (readonly ResourceSlice[])[]
  /** Allocations that were decided and are not seen in the cache yet, by the claim's uid. */
  pending: Map<string, AllocationResult>
}

function classProblem({ spec }: ResourceClaim, classes: World['classes']): string | undefined {
  for (const { name, exactly, firstAvailable = [] } of spec.devices?.requests ?? []) {
    const asked = exactly ? [[name, exactly] as const] : firstAvailable.map((one) => [`${name}/${one.name}`, one] as const)
    for (const [request, { deviceClassName }] of asked)
      if (!classes.get(deviceClassName)) return `request ${request}: device class ${deviceClassName} does not exist`
  }
  return undefined
}

/** What keeps the pod from every node, whatever there is on it. */
function obstacle({ pod, claims }: Pick<State, 'pod' | 'claims'>, { pending, classes }: World): string | undefined {
  for (const claim of claims) {
    const { allocation, reservedFor = [] } = claim.status ?? {}
    if (allocation) {
      if (reservedFor.length >= RESERVED_FOR_MAX && !isReservedFor(claim, pod)) return 'resourceclaim in use'
      continue
    }
    if (pending.has(claim.metadata.uid)) return `resource claim ${keyOf(claim)} is in the process of being allocated`
    const problem = classProblem(claim, classes)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Undefined where the pod wants no devices. */
export function stateOf({ pod, requests }: PodInfo, world: World): State | Refusal | undefined {
  const claims = claimsOf(pod, world.claims)
  if (typeof claims === 'string') return refuses(claims, false)
  const hasClasses = world.classes.list().length > 0
  const resources = hasClasses ? [...requests].flatMap(([name, amount]) => (amount > 0 && world.classOf(name) ? name : [])) : []
  if (claims.length === 0 && resources.length === 0) return undefined
  const problem = obstacle({ pod, claims }, world)
  if (problem !== undefined) return refuses(problem, false)
  const toAllocate = claims.filter(({ status }) => !status?.allocation)
  const state: State = { pod, claims, toAllocate, byNode: new Map(), unavailable: new Set() }
  if (resources.length > 0)
    state.extended = { resources, claim: madeFor(pod, world.claims.list(pod.metadata.namespace)) ?? claimTemplate(pod) }
  return state
}
