/** The Pod Security Standards' checks (k8s.io/pod-security-admission/policy), newest version. */
import type { Container, PodSpec } from '../../api/kinds/core/v1.ts'

export type Level = 'privileged' | 'baseline' | 'restricted'

interface Finding {
  reason: string
  detail: string
}

type Check = (spec: PodSpec) => Finding | undefined

const BASELINE_CAPABILITIES = new Set([
  'AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT',
])
const SAFE_SYSCTLS = new Set([
  'kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports', 'net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout', 'net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem',
])
const RESTRICTED_VOLUMES = new Set(['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret', 'image'])

function containersOf(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...((spec.ephemeralContainers ?? []) as unknown as Container[])]
}

const quote = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ')

/** `container "a"`, `containers "a", "b"`. */
function named(names: readonly string[], noun = 'container'): string {
  return `${noun}${names.length === 1 ? '' : 's'} ${quote(names)}`
}

function offenders(spec: PodSpec, bad: (container: Container) => boolean): string[] {
  return containersOf(spec).filter(bad).map((container) => container.name)
}

const hostNamespaces: Check = (spec) => {
  const found = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field]).map((field) => `${field}=true`)
  return found.length > 0 ? { reason: 'host namespaces', detail: found.join(', ') } : undefined
}

const privileged: Check = (spec) => {
  const bad = offenders(spec, (container) => container.securityContext?.privileged === true)
  return bad.length > 0 ? { reason: 'privileged', detail: `${named(bad)} must not set securityContext.privileged=true` } : undefined
}

const baselineCapabilities: Check = (spec) => {
  const wrong = new Set<string>()
  const bad = offenders(spec, (container) => {
    const added = (container.securityContext?.capabilities?.add ?? []).filter((capability) => !BASELINE_CAPABILITIES.has(capability))
    for (const capability of added) wrong.add(capability)
    return added.length > 0
  })
  if (bad.length === 0) return undefined
  return { reason: 'non-default capabilities', detail: `${named(bad)} must not include ${quote([...wrong].toSorted())} in securityContext.capabilities.add` }
}

const hostPathVolumes: Check = (spec) => {
  const bad = (spec.volumes ?? []).filter((volume) => volume.hostPath).map((volume) => volume.name)
  return bad.length > 0 ? { reason: 'hostPath volumes', detail: named(bad, 'volume') } : undefined
}

const hostPorts: Check = (spec) => {
  const ports = new Set<number>()
  const bad = offenders(spec, (container) => {
    const used = (container.ports ?? []).map((port) => port.hostPort ?? 0).filter((port) => port > 0)
    for (const port of used) ports.add(port)
    return used.length > 0
  })
  if (bad.length === 0) return undefined
  const list = [...ports].toSorted((a, b) => a - b)
  return { reason: 'hostPort', detail: `${named(bad)} ${bad.length === 1 ? 'uses' : 'use'} hostPort${list.length === 1 ? '' : 's'} ${list.join(', ')}` }
}

const procMount: Check = (spec) => {
  const kinds = new Set<string>()
  const bad = offenders(spec, ({ securityContext }) => {
    const mount = securityContext?.procMount
    if (mount && mount !== 'Default') kinds.add(mount)
    return Boolean(mount && mount !== 'Default')
  })
  return bad.length > 0 ? { reason: 'procMount', detail: `${named(bad)} must not set securityContext.procMount to ${quote([...kinds])}` } : undefined
}

const baselineSeccomp: Check = (spec) => {
  const pod = spec.securityContext?.seccompProfile?.type === 'Unconfined'
  const bad = offenders(spec, (container) => container.securityContext?.seccompProfile?.type === 'Unconfined')
  if (!pod && bad.length === 0) return undefined
  const who = [...(pod ? ['pod'] : []), ...(bad.length > 0 ? [named(bad)] : [])].join(' and ')
  return { reason: 'seccompProfile', detail: `${who} must not set securityContext.seccompProfile.type to "Unconfined"` }
}

const sysctls: Check = (spec) => {
  const bad = (spec.securityContext?.sysctls ?? []).map((sysctl) => sysctl.name).filter((name) => !SAFE_SYSCTLS.has(name))
  return bad.length > 0 ? { reason: 'forbidden sysctls', detail: bad.join(', ') } : undefined
}

const hostProcess: Check = (spec) => {
  const pod = spec.securityContext?.windowsOptions?.hostProcess === true
  const bad = offenders(spec, (container) => container.securityContext?.windowsOptions?.hostProcess === true)
  if (!pod && bad.length === 0) return undefined
  const who = [...(pod ? ['pod'] : []), ...(bad.length > 0 ? [named(bad)] : [])].join(' and ')
  return { reason: 'hostProcess', detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` }
}

const escalation: Check = (spec) => {
  const bad = offenders(spec, (container) => container.securityContext?.allowPrivilegeEscalation !== false)
  return bad.length > 0 ? { reason: 'allowPrivilegeEscalation != false', detail: `${named(bad)} must set securityContext.allowPrivilegeEscalation=false` } : undefined
}

const restrictedCapabilities: Check = (spec) => {
  const undropped = offenders(spec, (container) => !container.securityContext?.capabilities?.drop?.includes('ALL'))
  const wrong = new Set<string>()
  const adding = offenders(spec, (container) => {
    const added = (container.securityContext?.capabilities?.add ?? []).filter((capability) => capability !== 'NET_BIND_SERVICE')
    for (const capability of added) wrong.add(capability)
    return added.length > 0
  })
  const details = [
    ...(undropped.length > 0 ? [`${named(undropped)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0 ? [`${named(adding)} must not include ${quote([...wrong].toSorted())} in securityContext.capabilities.add`] : []),
  ]
  return details.length > 0 ? { reason: 'unrestricted capabilities', detail: details.join('; ') } : undefined
}

const restrictedVolumes: Check = (spec) => {
  const types = new Set<string>()
  const bad = (spec.volumes ?? []).filter(({ name: _, ...sources }) => {
    const wrong = Object.keys(sources).filter((kind) => !RESTRICTED_VOLUMES.has(kind))
    for (const kind of wrong) types.add(kind)
    return wrong.length > 0
  }).map((volume) => volume.name)
  if (bad.length === 0) return undefined
  const detail = `${named(bad, 'volume')} ${bad.length === 1 ? 'uses' : 'use'} restricted volume type${types.size === 1 ? '' : 's'} ${quote([...types].toSorted())}`
  return { reason: 'restricted volume types', detail }
}

const nonRoot: Check = (spec) => {
  const pod = spec.securityContext?.runAsNonRoot
  const explicit = offenders(spec, (container) => container.securityContext?.runAsNonRoot === false)
  const silent = offenders(spec, (container) => container.securityContext?.runAsNonRoot === undefined)
  if (pod === false || explicit.length > 0) {
    const who = [...(pod === false ? ['pod'] : []), ...(explicit.length > 0 ? [named(explicit)] : [])].join(' and ')
    return { reason: 'runAsNonRoot != true', detail: `${who} must not set securityContext.runAsNonRoot=false` }
  }
  if (pod === true || silent.length === 0) return undefined
  return { reason: 'runAsNonRoot != true', detail: `pod or ${named(silent)} must set securityContext.runAsNonRoot=true` }
}

const rootUser: Check = (spec) => {
  const pod = spec.securityContext?.runAsUser === 0
  const bad = offenders(spec, (container) => container.securityContext?.runAsUser === 0)
  if (!pod && bad.length === 0) return undefined
  const who = [...(pod ? ['pod'] : []), ...(bad.length > 0 ? [named(bad)] : [])].join(' and ')
  return { reason: 'runAsUser=0', detail: `${who} must not set runAsUser=0` }
}

const SECCOMP = new Set(['RuntimeDefault', 'Localhost'])

const restrictedSeccomp: Check = (spec) => {
  const pod = spec.securityContext?.seccompProfile?.type
  const explicit = offenders(spec, ({ securityContext }) => securityContext?.seccompProfile !== undefined && !SECCOMP.has(securityContext.seccompProfile.type))
  const silent = offenders(spec, (container) => container.securityContext?.seccompProfile === undefined)
  if ((pod && !SECCOMP.has(pod)) || explicit.length > 0) return baselineSeccomp(spec)
  if (pod || silent.length === 0) return undefined
  return { reason: 'seccompProfile', detail: `pod or ${named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"` }
}

const BASELINE: readonly Check[] = [hostNamespaces, hostPorts, privileged, procMount, sysctls, hostProcess]
const ONLY_BASELINE: readonly Check[] = [baselineCapabilities, hostPathVolumes, baselineSeccomp]
const RESTRICTED: readonly Check[] = [escalation, restrictedCapabilities, restrictedVolumes, nonRoot, rootUser, restrictedSeccomp]

/** What a pod does that its level does not allow, as one line; undefined if nothing. */
export function violations(level: Level, spec: PodSpec): string | undefined {
  if (level === 'privileged') return undefined
  const checks = level === 'baseline' ? [...BASELINE, ...ONLY_BASELINE] : [...BASELINE, ...RESTRICTED]
  const found = checks.map((check) => check(spec)).filter((finding) => finding !== undefined)
  return found.length > 0 ? found.map(({ reason, detail }) => `${reason} (${detail})`).join(', ') : undefined
}
