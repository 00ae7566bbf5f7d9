/**
 * The device taint eviction controller: pods whose claims hold a device with a NoExecute taint that the claim does not tolerate
 * are deleted, at once or when the toleration runs out (upstream's pkg/controller/devicetainteviction). Taints are those that
 * drivers put into their ResourceSlices; DeviceTaintRules are not served by default.
 */
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import { resourceclaims, resourceslices, type ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { hasFinished } from '../../api/pods.ts'
import { keyOf } from '../../api/resource.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { deleteDisrupted } from '../disruptedPods.ts'
import { claimEvictionMs } from './plan.ts'

const BY_POOL = 'pool'
const poolKey = (driver: string, pool: string): string => `${driver}/${pool}`

/** Keys of the pods that a claim is reserved for. */
function usersOf({ metadata, status }: ResourceClaim): string[] {
  const users = (status?.reservedFor ?? []).filter(({ apiGroup, resource }) => !apiGroup && resource === 'pods')
  return status?.allocation ? users.map(({ name }) => `${metadata.namespace}/${name}`) : []
}

function claimKeysOf({ metadata, spec, status }: Pod): string[] {
  const named = (spec.resourceClaims ?? []).map(
    ({ name, resourceClaimName }) =>
      resourceClaimName ?? status?.resourceClaimStatuses?.find((one) => one.name === name)?.resourceClaimName,
  )
  return named.filter((name) => name !== undefined).map((name) => `${metadata.namespace}/${name}`)
}

export function deviceTaintEvictionController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const ofPods = informers.for(pods)
  const ofClaims = informers.for(resourceclaims)
  const ofSlices = informers.for(resourceslices)
  ofSlices.addIndex(BY_POOL, ({ spec }) => [poolKey(spec.driver, spec.pool.name)])
  const poolsOf = ({ status }: ResourceClaim): string[] =>
    (status?.allocation?.devices?.results ?? []).map(({ driver, pool }) => poolKey(driver, pool))
  ofClaims.addIndex(BY_POOL, poolsOf)
  /** When each pod was first seen to have to leave: taints may come without a time. */
  const seenMs = new Map<string, { uid: string; atMs: number }>()

  function firstSeenMs(key: string, { metadata: { uid } }: Pod): number {
    const known = seenMs.get(key)
    if (known?.uid === uid) return known.atMs
    const atMs = clock.now()
    seenMs.set(key, { uid, atMs })
    return atMs
  }

  /** Undefined where the pod may stay. */
  function evictionMs(key: string, pod: Pod): number | undefined {
    const claims = claimKeysOf(pod).flatMap((claimKey) => ofClaims.get(claimKey) ?? [])
    const reserved = claims.filter(({ status }) => status?.reservedFor?.some(({ uid }) => uid === pod.metadata.uid))
    const times = reserved.map((claim) => {
      const slices = [...new Set(poolsOf(claim))].flatMap((pool) => ofSlices.byIndex(BY_POOL, pool))
      return claimEvictionMs(claim, slices, firstSeenMs(key, pod))
    })
    const due = times.filter((time) => time !== undefined)
    return due.length === 0 ? undefined : Math.min(...due)
  }

  async function evict(pod: Pod, signal: AbortSignal): Promise<void> {
    events.record(pod, { type: 'Normal', reason: 'DeviceTaintManagerEviction', message: 'Marking for deletion' })
    const why = { reason: 'DeletionByDeviceTaintManager', message: 'Device Taint manager: deleting due to NoExecute taint' }
    await deleteDisrupted({ client, clock }, pod, why, signal)
  }

  return {
    name: 'device-taint-eviction-controller',
    watches: [
      watch(resourceslices, ({ spec }) => ofClaims.byIndex(BY_POOL, poolKey(spec.driver, spec.pool.name)).flatMap(usersOf)),
      watch(resourceclaims, usersOf),
      watch(pods, (pod) => (pod.spec.nodeName && pod.spec.resourceClaims?.length ? [keyOf(pod)] : [])),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const pod = ofPods.get(key)
      const stays = !pod?.spec.nodeName || pod.metadata.deletionTimestamp !== undefined || hasFinished(pod)
      const atMs = stays ? undefined : evictionMs(key, pod)
      if (stays || atMs === undefined) {
        seenMs.delete(key)
        return
      }
      const leftMs = atMs - clock.now()
      if (leftMs > 0) return { requeueAfterMs: leftMs }
      await evict(pod, signal)
    },
  }
}
