/** Brings a resize of a running pod into force: its containers' limits and its own cgroup's, which is never smaller than theirs on the way. */
import { join } from 'node:path'
import type { Container as SpecContainer, Pod, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import { namedGroupStats } from '../runtime/cgroupStats.ts'
import { quantityValue } from '../pods/amounts.ts'
import { inheritsLimits } from '../resources/podResources.ts'
import { podCgroup } from '../resources/qos.ts'
import { linuxResources, type NodeLimits } from '../resources/resources.ts'
import { groupLimitBytes, memoryHierarchy } from '../resources/podCgroup.ts'
import type { PodLimits } from '../resources/podLimits.ts'
import { latest, type PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { allSpecContainers } from '../pods/podSpec.ts'
import type { Container, Runtime } from '../runtime/runtime.ts'

export interface ApplyResizeOptions {
  runtime: Pick<Runtime, 'updateResources' | 'stats'>
  limits: PodLimits
  nodeLimits: NodeLimits
  /** `/sys/fs/cgroup` unless told otherwise. */
  cgroupRoot?: string
}

/** A running container whose requests or limits are to change. */
export interface ContainerResize {
  container: Container
  spec: SpecContainer
}

export interface Resize {
  pod: Pod
  observed: PodRuntimeStatus
  containers: readonly ContainerResize[]
  /** What containers have, by id; what they get is noted here. */
  known: Map<string, ResourceRequirements>
}

/** Throws an Error that says what could not be changed. */
export async function applyResize(options: ApplyResizeOptions, resize: Resize): Promise<void> {
  const { limits, runtime, nodeLimits } = options
  const { pod, containers, observed, known } = resize
  await checkMemory(options, resize)
  const inheriting = limits.differ(pod) ? withoutOwnLimits(pod, observed, containers) : []
  await limits.widen(pod)
  await Promise.all(
    [...containers, ...inheriting].map(async ({ container, spec }) => {
      try {
        await runtime.updateResources(container.id, linuxResources(pod, spec, nodeLimits))
      } catch (cause) {
        throw new Error(`failed to resize container ${spec.name}: ${(cause as Error).message}`, { cause })
      }
      known.set(container.id, spec.resources ?? {})
    }),
  )
  await limits.settle(pod)
}

/** The kernel ends processes whose group gets less memory than they use (cgroup v2), or refuses (v1): such a limit is not even tried. */
async function checkMemory({ runtime, limits, cgroupRoot }: ApplyResizeOptions, { pod, containers, known }: Resize): Promise<void> {
  const tooSmall: string[] = []
  const wholeBytes = limits.memoryLimitBytes(pod)
  if (wholeBytes !== undefined) {
    const group = podCgroup(pod)
    const hasBytes = (await groupLimitBytes(join(await memoryHierarchy(cgroupRoot), group))) ?? Infinity
    const usedBytes = wholeBytes < hasBytes ? await used(namedGroupStats(group, cgroupRoot)) : 0
    if (usedBytes >= wholeBytes) tooSmall.push(`attempting to set pod memory limit (${wholeBytes}) below current usage (${usedBytes})`)
  }
  for (const { container, spec } of containers) {
    const wanted = spec.resources?.limits?.memory
    if (wanted === undefined) continue
    const wantedBytes = quantityValue(wanted)
    const has = known.get(container.id)?.limits?.memory
    const usedBytes = has === undefined || wantedBytes < quantityValue(has) ? await used(runtime.stats(container.id)) : 0
    if (usedBytes >= wantedBytes)
      tooSmall.push(`attempting to set container "${spec.name}" memory limit (${wantedBytes}) below current usage (${usedBytes})`)
  }
  const [first, ...more] = tooSmall
  if (first !== undefined) throw new Error(`cannot decrease memory limits: ${more.length > 0 ? `[${tooSmall.join(', ')}]` : first}`)
}

/** A group that cannot be read is that of a container that has just ended. */
async function used(stats: Promise<{ memoryUsageBytes: number } | undefined>): Promise<number> {
  return (await stats.catch(() => undefined))?.memoryUsageBytes ?? 0
}

/** Running containers whose limits are the pod's, apart from those that are resized anyway. */
function withoutOwnLimits(pod: Pod, observed: PodRuntimeStatus, resizes: readonly ContainerResize[]): ContainerResize[] {
  return allSpecContainers(pod).flatMap((spec) => {
    const container = latest(observed, spec.name)
    const isDue = container?.state === 'Running' && inheritsLimits(pod, spec) && !resizes.some((resize) => resize.container === container)
    return isDue ? [{ container, spec }] : []
  })
}
