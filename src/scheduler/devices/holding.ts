/** From the choice of the node to the pod's binding: its devices are held in memory first, then written and made ready. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { AllocationResult, ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { orAbort } from '../../base/abort.ts'
import { FITS, refuses, type Prepared } from '../framework.ts'
import type { Offer, State, World } from './attempt.ts'
import { isReservedFor } from './claims.ts'
import { bindClaim, giveBack } from './claimWrites.ts'
import { createExtendedClaim, removeExtendedClaim, tellPod } from './extendedClaims.ts'
import { BINDING_TIMEOUT, hasBindingConditions, isBindingTimedOut, isReadyForBinding } from './readiness.ts'

/** The claim for extended resources is made first of all, then it is like the others. */
async function makeExtended(
  { pod, toAllocate }: State,
  offer: Offer,
  world: World,
  signal: AbortSignal,
): Promise<ResourceClaim | undefined> {
  if (!offer.extended) return undefined
  const { claim, mappings } = offer.extended
  const made = await createExtendedClaim(world.client, claim, claim.spec.devices?.requests ?? [], signal)
  try {
    await bindClaim(made, pod, offer.results[toAllocate.length], world, signal)
    await tellPod(world.client, pod, made.metadata.name, mappings, signal)
    return made
  } catch (error) {
    discard(made, pod, world)
    throw error
  }
}

function discard(made: ResourceClaim, pod: Pod, { client, log, signal }: World): void {
  removeExtendedClaim(client, made, signal).catch((error: unknown) => {
    if (!signal.aborted) log.warn('a claim for extended resources is left', { pod: keyOf(pod), cause: String(error) })
  })
}

/** Drivers may have to make the devices ready on the node first. @throws when one cannot, or takes too long */
async function untilReady(claims: readonly ResourceClaim[], pod: Pod, nodeName: string, world: World, signal: AbortSignal): Promise<void> {
  const { claims: informer, clock, bindingTimeoutMs } = world
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let isTold = false
  const check = (): void => {
    try {
      const now = claims.map((claim) => informer.get(keyOf(claim)) ?? claim)
      if (now.every((claim) => claim.status?.allocation && isReadyForBinding(claim))) return resolve()
      const late = now.find((claim) => isBindingTimedOut(claim, clock.now(), bindingTimeoutMs))
      if (late) return reject(new Error(`${BINDING_TIMEOUT}: claim=${late.metadata.name}`))
      if (isTold || !now.some(hasBindingConditions)) return
      isTold = true
      const message = `waiting for binding conditions for device on node ${nodeName}`
      world.events.record(pod, { type: 'Normal', reason: 'BindingConditionsPending', action: 'Scheduling', message })
    } catch (error) {
      reject(error as Error)
    }
  }
  const stop = informer.onChange(({ key }) => claims.some((claim) => keyOf(claim) === key) && check())
  const cancel = clock.after(bindingTimeoutMs, () => reject(new Error(`${BINDING_TIMEOUT}: context deadline exceeded`)))
  try {
    check()
    await orAbort(promise, signal)
  } finally {
    cancel()
    stop()
  }
}

export function holding(state: State, world: World): Pick<Prepared, 'reserve' | 'unreserve' | 'needsPreBind' | 'preBind'> {
  const { pod, claims, toAllocate, byNode } = state
  const { pending } = world
  let held: Offer | undefined
  let made: ResourceClaim | undefined
  const taking = (): ResourceClaim[] => [...toAllocate, ...(held?.extended ? [held.extended.claim] : [])]
  const release = (): void => {
    for (const { metadata } of taking()) pending.delete(metadata.uid)
  }
  const isUnreserved = (claim: ResourceClaim): boolean => !claim.status?.allocation || !isReservedFor(claim, pod)
  return {
    reserve(nodeName) {
      held = byNode.get(nodeName)
      if (toAllocate.length > 0 && !held) return refuses('cannot allocate all claims', false)
      taking().forEach(({ metadata }, i) => pending.set(metadata.uid, held?.results[i] as AllocationResult))
      return FITS
    },
    unreserve() {
      release()
      for (const claim of claims) {
        const now = world.claims.get(keyOf(claim))
        if (!now) continue
        giveBack(now, pod, world, world.signal).catch((error: unknown) => {
          if (!isNotFound(error) && !world.signal.aborted)
            world.log.warn('a claim is still reserved', { claim: keyOf(now), cause: String(error) })
        })
      }
      if (made) discard(made, pod, world)
    },
    needsPreBind: () => state.extended !== undefined || claims.some(isUnreserved),
    async preBind(nodeName, signal) {
      for (const claim of claims.filter(isUnreserved)) await bindClaim(claim, pod, held?.results[toAllocate.indexOf(claim)], world, signal)
      made = held && (await makeExtended(state, held, world, signal))
      // What is written counts as taken from memory until it counts from the cache.
      await untilReady(made ? [...claims, made] : claims, pod, nodeName, world, signal)
      release()
    },
  }
}
