/** What the node is: its kernel, its system, its identities. */
import { readFile } from 'node:fs/promises'
import { arch, release } from 'node:os'
import type { NodeSystemInfo } from '../../api/kinds/core/v1.ts'
import { KUBERNETES_VERSION } from '../../api/kubernetesVersion.ts'

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm',
  ppc64: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
}

export function nodeArchitecture(): string {
  return ARCHITECTURES[arch()] ?? arch()
}

async function readTrimmed(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).trim()
}

export function prettyName(osRelease: string): string {
  const line = osRelease.split('\n').find((text) => text.startsWith('PRETTY_NAME='))
  return line?.slice('PRETTY_NAME='.length).replace(/^"|"$/g, '') ?? 'Linux'
}

export async function readNodeInfo(containerRuntimeVersion: string): Promise<NodeSystemInfo> {
  const [machineID, bootID, systemUUID, osRelease] = await Promise.all([
    readTrimmed('/etc/machine-id'),
    readTrimmed('/proc/sys/kernel/random/boot_id'),
    readTrimmed('/sys/class/dmi/id/product_uuid'),
    readTrimmed('/etc/os-release'),
  ])
  return {
    architecture: nodeArchitecture(),
    bootID,
    containerRuntimeVersion,
    kernelVersion: release(),
    kubeProxyVersion: '',
    kubeletVersion: KUBERNETES_VERSION,
    machineID,
    operatingSystem: 'linux',
    osImage: prettyName(osRelease),
    systemUUID: systemUUID || machineID,
  }
}
