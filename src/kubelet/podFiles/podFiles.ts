/** Writes the files that every container of a pod gets as bind mounts: hosts, hostname, resolv.conf. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import type { PodDirectories } from '../pods/podDirectories.ts'
import type { Mount } from '../runtime/runtime.ts'
import { podNames, renderHosts } from './hosts.ts'
import { parseResolvConf, podResolvConf, renderResolvConf } from './resolvConf.ts'

export interface PodFilesOptions {
  clusterDns: readonly string[]
  clusterDomain: string
  nodeName: string
  /** The node's resolv.conf and hosts file. */
  nodeResolvConfPath?: string
  nodeHostsPath?: string
}

export interface WantedPodFiles {
  /** The same key means the same content. */
  key: string
  /** What could not be had, in words. */
  omissions: readonly string[]
  write(directories: PodDirectories): Promise<void>
}

export async function podFilesOf(pod: Pod, podIps: readonly string[], options: PodFilesOptions): Promise<WantedPodFiles> {
  const { clusterDns, clusterDomain, nodeName, nodeResolvConfPath = '/etc/resolv.conf', nodeHostsPath = '/etc/hosts' } = options
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
  const [resolv, nodeHosts] = await Promise.all([read(nodeResolvConfPath), pod.spec?.hostNetwork ? read(nodeHostsPath) : ''])
  const names = podNames(pod, clusterDomain, nodeName)
  const hosts = renderHosts({ pod, podIps, names, nodeHosts })
  const hostname = `${names.hostname}\n`
  const resolvConf = podResolvConf({ pod, clusterDns, clusterDomain, node: parseResolvConf(resolv) })
  const dns = renderResolvConf(resolvConf)
  return {
    key: JSON.stringify([hosts, hostname, dns]),
    omissions: resolvConf.omissions,
    async write(directories) {
      await mkdir(directories.pod, { recursive: true, mode: 0o750 })
      // Written in place: the containers hold these files by their inodes.
      await Promise.all([
        writeFile(directories.etcHosts, hosts, { mode: 0o644 }),
        writeFile(directories.hostname, hostname, { mode: 0o644 }),
        writeFile(directories.resolvConf, dns, { mode: 0o644 }),
      ])
    },
  }
}

/** Leaves out what the container mounts itself. */
export function podFileMounts(container: Container, directories: PodDirectories): Mount[] {
  const own = new Set((container.volumeMounts ?? []).map((mount) => mount.mountPath.replace(/\/+$/, '')))
  const files: [string, string][] = [
    [directories.etcHosts, '/etc/hosts'],
    [directories.hostname, '/etc/hostname'],
    [directories.resolvConf, '/etc/resolv.conf'],
  ]
  return files
    .filter(([, containerPath]) => !own.has(containerPath))
    .map(([hostPath, containerPath]) => ({ hostPath, containerPath, readOnly: false, propagation: 'None' }))
}
