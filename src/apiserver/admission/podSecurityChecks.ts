/** The Pod Security Standards' checks (k8s.io/pod-security-admission/policy), in all their versions. */
import type { Container, LifecycleHandler, PodSpec, Probe, SELinuxOptions } from '../../api/kinds/core/v1.ts'
import type { ObjectMeta } from '../../api/kinds/meta/v1.ts'

export type Level = 'privileged' | 'baseline' | 'restricted'

interface Finding {
  reason: string
  detail: string
}

/** `minor` is the version of the standard: 36 for v1.36. */
type Rule = (spec: PodSpec, minor: number, meta: Partial<ObjectMeta>) => Finding | undefined

const BASELINE_CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
])
/** From which version on a sysctl counts as safe. */
const SAFE_SYSCTLS = new Map([
  ['kernel.shm_rmid_forced', 0],
  ['net.ipv4.ip_local_port_range', 0],
  ['net.ipv4.tcp_syncookies', 0],
  ['net.ipv4.ping_group_range', 0],
  ['net.ipv4.ip_unprivileged_port_start', 0],
  ['net.ipv4.ip_local_reserved_ports', 27],
  ['net.ipv4.tcp_keepalive_time', 29],
  ['net.ipv4.tcp_fin_timeout', 29],
  ['net.ipv4.tcp_keepalive_intvl', 29],
  ['net.ipv4.tcp_keepalive_probes', 29],
  ['net.ipv4.tcp_rmem', 32],
  ['net.ipv4.tcp_wmem', 32],
])
const RESTRICTED_VOLUMES = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
  'image',
])

function containersOf(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...((spec.ephemeralContainers ?? []) as unknown as Container[])]
}

const quote = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ')

/** `container "a"`, `containers "a", "b"`. */
function named(names: readonly string[], noun = 'container'): string {
  return `${noun}${names.length === 1 ? '' : 's'} ${quote(names)}`
}

function offenders(spec: PodSpec, bad: (container: Container) => boolean): string[] {
  return containersOf(spec)
    .filter(bad)
    .map((container) => container.name)
}

/** `pod and containers "a", "b"`. */
function setters(pod: boolean, containers: readonly string[]): string {
  return [...(pod ? ['pod'] : []), ...(containers.length > 0 ? [named(containers)] : [])].join(' and ')
}

const RUNTIME_PROFILES: ReadonlySet<string> = new Set(['RuntimeDefault', 'Localhost'])
const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/'

const appArmor: Rule = (spec, _, meta) => {
  const wrong = new Set<string>()
  const isBad = (profile: { type: string } | undefined): boolean => {
    const bad = profile !== undefined && !RUNTIME_PROFILES.has(profile.type)
    if (bad) wrong.add(profile?.type ?? '')
    return bad
  }
  const pod = isBad(spec.securityContext?.appArmorProfile)
  const bad = offenders(spec, (container) => isBad(container.securityContext?.appArmorProfile))
  const annotations = Object.entries(meta.annotations ?? {})
    .filter(
      ([key, value]) =>
        key.startsWith(APPARMOR_ANNOTATION) && value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/'),
    )
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .toSorted()
  const who = [setters(pod, bad), annotations.length === 0 ? '' : `annotation${annotations.length === 1 ? '' : 's'}`]
    .filter(Boolean)
    .join(' and ')
  if (!who) return undefined
  const values = [...[...wrong].toSorted(), ...annotations]
  return {
    reason: `forbidden AppArmor profile${values.length === 1 ? '' : 's'}`,
    detail: `${who} must not set AppArmor profile type to ${quote(values)}`,
  }
}

const SELINUX_TYPES = new Map([
  ['', 0],
  ['container_t', 0],
  ['container_init_t', 0],
  ['container_kvm_t', 0],
  ['container_engine_t', 31],
])

const seLinux: Rule = (spec, minor) => {
  const types = new Set<string>()
  let [user, role] = [false, false]
  const isBad = (options: SELinuxOptions | undefined): boolean => {
    if (!options) return false
    const wrongType = (SELINUX_TYPES.get(options.type ?? '') ?? Infinity) > minor
    if (wrongType) types.add(options.type ?? '')
    if (options.user) user = true
    if (options.role) role = true
    return wrongType || Boolean(options.user) || Boolean(options.role)
  }
  const pod = isBad(spec.securityContext?.seLinuxOptions)
  const bad = offenders(spec, (container) => isBad(container.securityContext?.seLinuxOptions))
  if (!pod && bad.length === 0) return undefined
  const what = [
    ...(types.size > 0 ? [`type${types.size === 1 ? '' : 's'} ${quote([...types].toSorted())}`] : []),
    ...(user ? ['user may not be set'] : []),
    ...(role ? ['role may not be set'] : []),
  ]
  return { reason: 'seLinuxOptions', detail: `${setters(pod, bad)} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}` }
}

/** A probe or hook that is sent to another host than the pod. */
const otherHosts: Rule = (spec) => {
  const hosts = new Set<string>()
  const collect = (handler: Probe | LifecycleHandler | undefined): boolean => {
    const found = [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host): host is string => Boolean(host))
    for (const host of found) hosts.add(host)
    return found.length > 0
  }
  const bad = offenders(spec, ({ livenessProbe, readinessProbe, startupProbe, lifecycle }) =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].map(collect).some(Boolean),
  )
  if (bad.length === 0) return undefined
  const plural = hosts.size === 1 ? '' : 's'
  const detail = `${named(bad.toSorted())} ${bad.length === 1 ? 'uses' : 'use'} probe or lifecycle host${plural} ${quote([...hosts].toSorted())}`
  return { reason: 'probe or lifecycle host', detail }
}

const hostNamespaces: Rule = (spec) => {
  const found = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field]).map((field) => `${field}=true`)
  return found.length > 0 ? { reason: 'host namespaces', detail: found.join(', ') } : undefined
}

const privileged: Rule = (spec) => {
  const bad = offenders(spec, (container) => container.securityContext?.privileged === true)
  return bad.length > 0 ? { reason: 'privileged', detail: `${named(bad)} must not set securityContext.privileged=true` } : undefined
}

const baselineCapabilities: Rule = (spec) => {
  const wrong = new Set<string>()
  const bad = offenders(spec, (container) => {
    const added = (container.securityContext?.capabilities?.add ?? []).filter((capability) => !BASELINE_CAPABILITIES.has(capability))
    for (const capability of added) wrong.add(capability)
    return added.length > 0
  })
  if (bad.length === 0) return undefined
  return {
    reason: 'non-default capabilities',
    detail: `${named(bad)} must not include ${quote([...wrong].toSorted())} in securityContext.capabilities.add`,
  }
}

const hostPathVolumes: Rule = (spec) => {
  const bad = (spec.volumes ?? []).filter((volume) => volume.hostPath).map((volume) => volume.name)
  return bad.length > 0 ? { reason: 'hostPath volumes', detail: named(bad, 'volume') } : undefined
}

const hostPorts: Rule = (spec) => {
  const ports = new Set<number>()
  const bad = offenders(spec, (container) => {
    const used = (container.ports ?? []).map((port) => port.hostPort ?? 0).filter((port) => port > 0)
    for (const port of used) ports.add(port)
    return used.length > 0
  })
  if (bad.length === 0) return undefined
  const list = [...ports].toSorted((a, b) => a - b)
  return {
    reason: 'hostPort',
    detail: `${named(bad)} ${bad.length === 1 ? 'uses' : 'use'} hostPort${list.length === 1 ? '' : 's'} ${list.join(', ')}`,
  }
}

const procMount: Rule = (spec) => {
  const kinds = new Set<string>()
  const bad = offenders(spec, ({ securityContext }) => {
    const mount = securityContext?.procMount
    if (mount && mount !== 'Default') kinds.add(mount)
    return Boolean(mount && mount !== 'Default')
  })
  return bad.length > 0
    ? { reason: 'procMount', detail: `${named(bad)} must not set securityContext.procMount to ${quote([...kinds])}` }
    : undefined
}

const baselineSeccomp: Rule = (spec) => {
  const pod = spec.securityContext?.seccompProfile?.type === 'Unconfined'
  const bad = offenders(spec, (container) => container.securityContext?.seccompProfile?.type === 'Unconfined')
  if (!pod && bad.length === 0) return undefined
  const who = setters(pod, bad)
  return { reason: 'seccompProfile', detail: `${who} must not set securityContext.seccompProfile.type to "Unconfined"` }
}

const sysctls: Rule = (spec, minor) => {
  const bad = (spec.securityContext?.sysctls ?? [])
    .map((sysctl) => sysctl.name)
    .filter((name) => (SAFE_SYSCTLS.get(name) ?? Infinity) > minor)
  return bad.length > 0 ? { reason: 'forbidden sysctls', detail: bad.join(', ') } : undefined
}

const hostProcess: Rule = (spec) => {
  const pod = spec.securityContext?.windowsOptions?.hostProcess === true
  const bad = offenders(spec, (container) => container.securityContext?.windowsOptions?.hostProcess === true)
  if (!pod && bad.length === 0) return undefined
  const who = setters(pod, bad)
  return { reason: 'hostProcess', detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` }
}

const escalation: Rule = (spec) => {
  const bad = offenders(spec, (container) => container.securityContext?.allowPrivilegeEscalation !== false)
  return bad.length > 0
    ? { reason: 'allowPrivilegeEscalation != false', detail: `${named(bad)} must set securityContext.allowPrivilegeEscalation=false` }
    : undefined
}

const restrictedCapabilities: Rule = (spec) => {
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

const restrictedVolumes: Rule = (spec) => {
  const types = new Set<string>()
  const bad = (spec.volumes ?? [])
    .filter(({ name: _, ...sources }) => {
      const wrong = Object.keys(sources).filter((kind) => !RESTRICTED_VOLUMES.has(kind))
      for (const kind of wrong) types.add(kind)
      return wrong.length > 0
    })
    .map((volume) => volume.name)
  if (bad.length === 0) return undefined
  const detail = `${named(bad, 'volume')} ${bad.length === 1 ? 'uses' : 'use'} restricted volume type${types.size === 1 ? '' : 's'} ${quote([...types].toSorted())}`
  return { reason: 'restricted volume types', detail }
}

const nonRoot: Rule = (spec) => {
  const pod = spec.securityContext?.runAsNonRoot
  const explicit = offenders(spec, (container) => container.securityContext?.runAsNonRoot === false)
  const silent = offenders(spec, (container) => container.securityContext?.runAsNonRoot === undefined)
  if (pod === false || explicit.length > 0) {
    const who = setters(pod === false, explicit)
    return { reason: 'runAsNonRoot != true', detail: `${who} must not set securityContext.runAsNonRoot=false` }
  }
  if (pod === true || silent.length === 0) return undefined
  return { reason: 'runAsNonRoot != true', detail: `pod or ${named(silent)} must set securityContext.runAsNonRoot=true` }
}

const rootUser: Rule = (spec) => {
  const pod = spec.securityContext?.runAsUser === 0
  const bad = offenders(spec, (container) => container.securityContext?.runAsUser === 0)
  if (!pod && bad.length === 0) return undefined
  const who = setters(pod, bad)
  return { reason: 'runAsUser=0', detail: `${who} must not set runAsUser=0` }
}

const restrictedSeccomp: Rule = (spec) => {
  const wrong = new Set<string>()
  const isBad = (profile: { type: string } | undefined): boolean => {
    const bad = profile !== undefined && !RUNTIME_PROFILES.has(profile.type)
    if (bad) wrong.add(profile?.type ?? '')
    return bad
  }
  const ofPod = spec.securityContext?.seccompProfile
  const pod = isBad(ofPod)
  const explicit = offenders(spec, ({ securityContext }) => isBad(securityContext?.seccompProfile))
  if (pod || explicit.length > 0) {
    const detail = `${setters(pod, explicit)} must not set securityContext.seccompProfile.type to ${quote([...wrong].toSorted())}`
    return { reason: 'seccompProfile', detail }
  }
  const silent = offenders(spec, (container) => container.securityContext?.seccompProfile === undefined)
  if (ofPod || silent.length === 0) return undefined
  return {
    reason: 'seccompProfile',
    detail: `pod or ${named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  }
}

/** Windows has no such thing. */
const notOnWindows =
  (rule: Rule): Rule =>
  (spec, minor, meta) =>
    minor >= 25 && spec.os?.name === 'windows' ? undefined : rule(spec, minor, meta)
/** Root in a user namespace of the pod's own is nobody outside. */
const notWithOwnUsers =
  (rule: Rule): Rule =>
  (spec, minor, meta) =>
    minor >= 35 && spec.hostUsers === false ? undefined : rule(spec, minor, meta)

/** Later standards do not exist yet. */
const LATEST_MINOR = 36

interface Check {
  id: string
  rule: Rule
  /** The first version that has it. */
  since?: number
  /** The baseline check that it stands for where it applies. */
  overrides?: string
}

/** In the order of their ids, which is that of messages. */
const BASELINE: readonly Check[] = [
  { id: 'appArmorProfile', rule: appArmor },
  { id: 'capabilities_baseline', rule: baselineCapabilities },
  { id: 'hostNamespaces', rule: hostNamespaces },
  { id: 'hostPathVolumes', rule: hostPathVolumes },
  { id: 'hostPorts', rule: hostPorts },
  { id: 'hostProbesAndHostLifecycle', rule: otherHosts, since: 34 },
  { id: 'privileged', rule: privileged },
  { id: 'procMount', rule: notWithOwnUsers(procMount) },
  { id: 'seLinuxOptions', rule: seLinux },
  { id: 'seccompProfile_baseline', rule: baselineSeccomp },
  { id: 'sysctls', rule: sysctls },
  { id: 'windowsHostProcess', rule: hostProcess },
]
const RESTRICTED: readonly Check[] = [
  { id: 'allowPrivilegeEscalation', rule: notOnWindows(escalation), since: 8 },
  { id: 'capabilities_restricted', rule: notOnWindows(restrictedCapabilities), since: 22, overrides: 'capabilities_baseline' },
  { id: 'procMount_restricted', rule: procMount, since: 35, overrides: 'procMount' },
  { id: 'restrictedVolumes', rule: restrictedVolumes, overrides: 'hostPathVolumes' },
  { id: 'runAsNonRoot', rule: notWithOwnUsers(nonRoot) },
  { id: 'runAsUser', rule: notWithOwnUsers(rootUser), since: 23 },
  { id: 'seccompProfile_restricted', rule: notOnWindows(restrictedSeccomp), since: 19, overrides: 'seccompProfile_baseline' },
]

export interface Policy {
  level: Level
  /** `latest` or `v1.36`. */
  version: string
}

function checksOf({ level }: Policy, minor: number): Check[] {
  if (level === 'privileged') return []
  const applies = ({ since = 0 }: Check): boolean => since <= minor
  if (level === 'baseline') return BASELINE.filter(applies)
  const restricted = RESTRICTED.filter(applies)
  const overridden = new Set(restricted.map(({ overrides }) => overrides))
  return [...BASELINE.filter((check) => applies(check) && !overridden.has(check.id)), ...restricted]
}

/** What a pod does that its policy does not allow: at length, and as the reasons alone; undefined if nothing. */
export function violations(policy: Policy, spec: PodSpec, meta: Partial<ObjectMeta>): { details: string; reasons: string } | undefined {
  const minor = policy.version === 'latest' ? LATEST_MINOR : Math.min(Number(policy.version.slice('v1.'.length)), LATEST_MINOR)
  const found = checksOf(policy, minor)
    .map(({ rule }) => rule(spec, minor, meta))
    .filter((finding) => finding !== undefined)
  if (found.length === 0) return undefined
  return {
    details: found.map(({ reason, detail }) => `${reason} (${detail})`).join(', '),
    reasons: found.map(({ reason }) => reason).join(', '),
  }
}
