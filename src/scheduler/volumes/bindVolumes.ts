/** Writes what was decided for a pod's claims, and waits until they are bound. */
import {
  persistentvolumeclaims,
  persistentvolumes,
  pods,
  type Node,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
} from '../../api/kinds/core/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { boundTo } from '../../api/volumeMatching.ts'
import { orAbort } from '../../base/abort.ts'
import type { Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { isReachable, SELECTED_NODE, type NodeVolumes } from './nodeVolumes.ts'
import { isBound } from './podClaims.ts'

export interface BindVolumes {
  client: Client
  informers: Informers
  timeoutMs: number
}

async function write({ bindings, provisioned }: NodeVolumes, nodeName: string, client: Client, signal: AbortSignal): Promise<void> {
  for (const { claim, volume } of bindings) await client.update(persistentvolumes, boundTo(volume, claim), { signal })
  for (const { metadata } of provisioned) {
    if (metadata.annotations?.[SELECTED_NODE] === nodeName) continue
    const at = { namespace: metadata.namespace, name: metadata.name, signal }
    const patch = { metadata: { annotations: { [SELECTED_NODE]: nodeName } } }
    await client.patch(persistentvolumeclaims, { ...at, type: 'application/merge-patch+json' }, patch)
  }
}

const wrongNode = ({ metadata }: PersistentVolume, { metadata: { name } }: Node): Error =>
  new Error(`pv "${metadata.name}" node affinity doesn't match node "${name}": no matching NodeSelectorTerms`)

/** Tells whether all is bound. @throws what keeps it from ever being: the pod is to be decided anew */
function bindingCheck(pod: Pod, { bindings, provisioned }: NodeVolumes, node: Node, informers: Informers): () => boolean {
  const [claims, volumes] = [informers.for(persistentvolumeclaims), informers.for(persistentvolumes)]
  /** What was written and has been seen: it must not be gone again. */
  const seen = new Set<object>()

  const current = (claim: PersistentVolumeClaim): PersistentVolumeClaim => {
    const now = claims.get(keyOf(claim))
    if (!now) throw new Error(`failed to check binding: persistentvolumeclaim "${claim.metadata.name}" not found`)
    return now
  }
  function isStaticallyBound({ claim, volume }: NodeVolumes['bindings'][number]): boolean {
    const { name } = volume.metadata
    const now = volumes.get(name)
    if (!now) throw new Error(`failed to check binding: persistentvolume "${name}" not found`)
    if (now.spec.claimRef?.uid) seen.add(volume)
    else if (seen.has(volume)) throw new Error(`ClaimRef got reset for pv "${name}"`)
    if (seen.has(volume) && !isReachable(now, node)) throw wrongNode(now, node)
    return isBound(current(claim))
  }
  function isProvisioned(claim: PersistentVolumeClaim): boolean {
    const now = current(claim)
    const { name, annotations } = now.metadata
    if (annotations?.[SELECTED_NODE] === node.metadata.name) seen.add(claim)
    else if (seen.has(claim))
      throw new Error(annotations ? `provisioning failed for PVC "${name}"` : `selectedNode annotation reset for PVC "${name}"`)
    const volume = volumes.get(now.spec.volumeName ?? '')
    if (volume && !isReachable(volume, node)) throw wrongNode(volume, node)
    return isBound(now)
  }
  return () => {
    if (informers.for(pods).get(keyOf(pod))?.metadata.uid !== pod.metadata.uid)
      throw new Error(`pod does not exist any more: pod "${pod.metadata.name}" not found`)
    // Each is looked at, for what may have failed.
    const done = [...bindings.map(isStaticallyBound), ...provisioned.map(isProvisioned)]
    return done.every(Boolean)
  }
}

async function untilAllBound(pod: Pod, plan: NodeVolumes, node: Node, informers: Informers, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const areAllBound = bindingCheck(pod, plan, node, informers)
  const check = (): void => {
    try {
      if (areAllBound()) resolve()
    } catch (error) {
      reject(error as Error)
    }
  }
  const own = new Set([...plan.bindings.map(({ claim }) => claim), ...plan.provisioned].map(keyOf))
  const stops = [
    informers.for(persistentvolumeclaims).onChange(({ key }) => own.has(key) && check()),
    informers.for(persistentvolumes).onChange(check),
    informers.for(pods).onChange(({ key }) => key === keyOf(pod) && check()),
  ]
  try {
    await orAbort(promise, signal)
  } finally {
    for (const stop of stops) stop()
  }
}

/** @throws with upstream's words what came in between */
export async function bindVolumes(pod: Pod, plan: NodeVolumes, node: Node, options: BindVolumes, signal: AbortSignal): Promise<void> {
  const { client, informers, timeoutMs } = options
  const timeout = AbortSignal.timeout(timeoutMs)
  const limit = AbortSignal.any([signal, timeout])
  await write(plan, node.metadata.name, client, limit)
  try {
    await untilAllBound(pod, plan, node, informers, limit)
  } catch (cause) {
    const why = timeout.aborted ? 'context deadline exceeded' : cause instanceof Error ? cause.message : String(cause)
    throw new Error(`binding volumes: ${why}`, { cause })
  }
}
