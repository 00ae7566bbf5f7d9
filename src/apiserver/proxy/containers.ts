/** Which container of a pod a request means. Pure. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { newBadRequest } from '../../api/status.ts'

const names = (containers: readonly { name: string }[] | undefined): string => (containers ?? []).map((c) => c.name).join(' ')

/** The only container, or the one that was named. Throws 400 where that is not clear. */
export function containerOf(pod: Pod, wanted: string): string {
  const { containers, initContainers, ephemeralContainers } = pod.spec
  const { name } = pod.metadata
  if (wanted !== '') {
    const all = [...containers, ...(initContainers ?? []), ...(ephemeralContainers ?? [])]
    if (!all.some((c) => c.name === wanted)) throw newBadRequest(`container ${wanted} is not valid for pod ${name}`)
    return wanted
  }
  if (containers.length === 1) return (containers[0] as { name: string }).name
  if (containers.length === 0) throw newBadRequest(`a container name must be specified for pod ${name}`)
  let message = `a container name must be specified for pod ${name}, choose one of: [${names(containers)}]`
  if (initContainers?.length) message += ` or one of the init containers: [${names(initContainers)}]`
  if (ephemeralContainers?.length) message += ` or one of the ephemeral containers: [${names(ephemeralContainers)}]`
  throw newBadRequest(message)
}
