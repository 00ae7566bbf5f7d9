/** What the node is: its kernel, its system, its identities. */
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { arch, release } from 'node:os'
import { join } from 'node:path'
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

/** Where the system has no identity, the node has one of its own, kept for as long as the node's data. */
async function keptIdentity(rootDir: string): Promise<string> {
  const path = join(rootDir, 'machine-id')
  const kept = await readTrimmed(path)
  if (kept) return kept
  const made = randomUUID().replaceAll('-', '')
  await writeFile(path, `${made}\n`, { mode: 0o644 })
  return made
}

/** 32 hexadecimal digits in the usual groups. */
export function asUuid(identity: string): string {
  return identity.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export async function readNodeInfo(containerRuntimeVersion: string, rootDir: string): Promise<NodeSystemInfo> {
  const [machineID, bootID, systemUUID, osRelease] = await Promise.all([
    readTrimmed('/etc/machine-id'),
    readTrimmed('/proc/sys/kernel/random/boot_id'),
    readTrimmed('/sys/class/dmi/id/product_uuid'),
    readTrimmed('/etc/os-release'),
  ])
  const identity = machineID || (await keptIdentity(rootDir))
  return {
    architecture: nodeArchitecture(),
    bootID,
    containerRuntimeVersion,
    kernelVersion: release(),
    kubeProxyVersion: '',
    kubeletVersion: KUBERNETES_VERSION,
    machineID: identity,
    operatingSystem: 'linux',
    osImage: prettyName(osRelease),
    systemUUID: systemUUID || asUuid(identity),
  }
}
