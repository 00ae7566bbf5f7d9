/** What an emptyDir that is not on the node's disk is mounted as. Pure; messages are upstream's. */
import type { EmptyDirVolumeSource, Pod } from '../../api/kinds/core/v1.ts'
import { compareQuantity } from '../../api/quantity.ts'
import { quantityValue } from '../pods/amounts.ts'
import { allSpecContainers } from '../pods/podSpec.ts'

/** The pod's own mistake. */
class EmptyDirError extends Error {
  override readonly name = 'EmptyDirError'
}

/** The least of what the volume, the pod and the node allow. */
export function memoryVolumeBytes(pod: Pod, sizeLimit: string | undefined, nodeBytes: number): number {
  const ofContainers = (pod.spec?.containers ?? []).map(({ resources }) => quantityValue(resources?.limits?.memory ?? '0'))
  const ofPod = pod.spec?.resources?.limits?.memory
  const limits = [
    nodeBytes,
    quantityValue(sizeLimit ?? '0'),
    ofPod === undefined ? 0 : quantityValue(ofPod),
    ofContainers.every((bytes) => bytes > 0) ? ofContainers.reduce((sum, bytes) => sum + bytes, 0) : 0,
  ]
  return Math.floor(Math.min(...limits.filter((bytes) => bytes > 0)))
}

const HUGE_PAGES = 'HugePages'
const RESOURCE_PREFIX = 'hugepages-'

/** The sizes of huge pages that the pod's containers ask for, `2Mi`. */
function requestedPageSizes(pod: Pod): string[] {
  const requests = [pod.spec?.resources?.requests, ...allSpecContainers(pod).map(({ resources }) => resources?.requests)]
  const names = requests.flatMap((amounts) => Object.keys(amounts ?? {}))
  return names.filter((name) => name.startsWith(RESOURCE_PREFIX)).map((name) => name.slice(RESOURCE_PREFIX.length))
}

function pageSizeOf(pod: Pod, medium: string): string {
  const requested = requestedPageSizes(pod)
  const wanted = medium === HUGE_PAGES ? requested[0] : medium.slice(HUGE_PAGES.length + 1)
  const alike = requested.filter((size) => wanted !== undefined && compareQuantity(size, wanted) === 0)
  if (medium === HUGE_PAGES && alike.length < requested.length)
    throw new EmptyDirError(`medium: ${medium} can't be used if container requests multiple huge page sizes`)
  const [size] = alike
  if (size === undefined)
    throw new EmptyDirError(`medium ${medium}: hugePages storage requested, but there is no resource request for huge pages`)
  return size
}

/** Undefined for one on disk. */
export function emptyDirMount(
  pod: Pod,
  { medium, sizeLimit }: EmptyDirVolumeSource,
  memoryBytes: number,
): { type: string; options: string } | undefined {
  if (medium === 'Memory') return { type: 'tmpfs', options: `size=${memoryVolumeBytes(pod, sizeLimit, memoryBytes)}` }
  if (medium?.startsWith(HUGE_PAGES)) return { type: 'hugetlbfs', options: `nodev,pagesize=${pageSizeOf(pod, medium).replace('i', '')}` }
  return undefined
}
