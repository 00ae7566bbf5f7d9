/** Where a pod's files are on the node. */
import { join } from 'node:path'

export interface PodDirectories {
  pod: string
  volumes: string
  /** Where the subPaths of volumes are bound, for one container's mount each. */
  subPath(volume: string, container: string, index: number): string
  etcHosts: string
  hostname: string
  resolvConf: string
  terminationLog(container: string, attempt: number): string
  containerDirectory(container: string): string
}

export function podsDirectory(rootDir: string): string {
  return join(rootDir, 'pods')
}

export function podDirectories(rootDir: string, podUid: string): PodDirectories {
  const pod = join(podsDirectory(rootDir), podUid)
  return {
    pod,
    volumes: join(pod, 'volumes'),
    subPath: (volume, container, index) => join(pod, 'volume-subpaths', volume, container, String(index)),
    etcHosts: join(pod, 'etc-hosts'),
    hostname: join(pod, 'hostname'),
    resolvConf: join(pod, 'resolv.conf'),
    containerDirectory: (container) => join(pod, 'containers', container),
    terminationLog: (container, attempt) => join(pod, 'containers', container, `termination-log-${attempt}`),
  }
}
