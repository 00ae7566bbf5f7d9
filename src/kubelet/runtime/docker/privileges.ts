/**
 * What this host's root may do. On hosts whose root lacks a capability the engine cannot start a container that asks for it:
 * such wishes are then cut down to what there is, since a privileged pod with all but one capability is what its author wants.
 */
import { readFile } from 'node:fs/promises'

/** In the kernel's numbering. */
const CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
] as const

export interface HostPrivileges {
  /** Capabilities, without `CAP_`, that no process here can have. */
  missing: readonly string[]
  /** Whether the engine's own `Privileged` works: older engines then ask for what is missing. */
  privilegedWorks: boolean
  /** Without CAP_SYS_RESOURCE nothing may go below its parent's value; undefined: no such floor. */
  oomScoreAdjFloor: number | undefined
}

export const ALL_PRIVILEGES: HostPrivileges = { missing: [], privilegedWorks: true, oomScoreAdjFloor: undefined }
/** From this engine on, `Privileged` means all that the engine itself has. */
const MINDFUL_ENGINE_MAJOR = 26

/** From the text of /proc/self/status and /proc/self/oom_score_adj, and the engine's version. */
export function privilegesFrom(status: string, oomScoreAdj: string, engineVersion: string): HostPrivileges {
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? 'ffffffffffffffff'}`)
  const missing = CAPABILITIES.filter((_, bit) => (bounding & (1n << BigInt(bit))) === 0n)
  const privilegedWorks = missing.length === 0 || Number.parseInt(engineVersion, 10) >= MINDFUL_ENGINE_MAJOR
  return { missing, privilegedWorks, oomScoreAdjFloor: missing.includes('SYS_RESOURCE') ? Number(oomScoreAdj) : undefined }
}

export async function readHostPrivileges(engineVersion: string): Promise<HostPrivileges> {
  return privilegesFrom(await readFile('/proc/self/status', 'utf8'), await readFile('/proc/self/oom_score_adj', 'utf8'), engineVersion)
}

function bare(capability: string): string {
  return capability.toUpperCase().replace(/^CAP_/, '')
}

/** What to ask the engine for, so that it asks the kernel for nothing that is missing. */
export function capabilityRequest(
  add: readonly string[],
  drop: readonly string[],
  { missing }: HostPrivileges,
): { CapAdd: string[]; CapDrop: string[] } {
  const there = (capability: string): boolean => !missing.includes(capability)
  const added = add.map(bare).filter(there)
  // An engine may take ALL for more than there is.
  const named = missing.length > 0 && added.includes('ALL') ? CAPABILITIES.filter(there) : added
  return { CapAdd: [...named], CapDrop: drop.map(bare).filter(there) }
}

export function oomScoreAdjWithin(wanted: number | undefined, { oomScoreAdjFloor }: HostPrivileges): number | undefined {
  if (wanted === undefined || oomScoreAdjFloor === undefined) return wanted
  return Math.max(wanted, oomScoreAdjFloor)
}
