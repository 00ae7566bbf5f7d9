/** What is allowed in a pod but unwise: shown as `Warning` headers. */
import { quote } from '../quote.ts'
import { canonicalIp, isDns1123Label, isLabelValue, isValidIp } from './names.ts'
import { isWhole } from './quantities.ts'
import { overlappingPaths } from './pod/overlaps.ts'
import { eachContainer } from './pod/scope.ts'
import { APPARMOR_PREFIX, SECCOMP_CONTAINER_PREFIX, SECCOMP_POD } from './pod/annotations.ts'
import type { ContainerPort, EnvVar, NodeSelectorTerm, PersistentVolumeClaimSpec, PodSpec, Volume } from '../kinds/core/v1.ts'
import type { ObjectMeta } from '../kinds/meta/v1.ts'

const NODE_LABELS = new Map([
  ['beta.kubernetes.io/arch', 'deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ['beta.kubernetes.io/os', 'deprecated since v1.14; use "kubernetes.io/os" instead'],
  ['failure-domain.beta.kubernetes.io/region', 'deprecated since v1.17; use "topology.kubernetes.io/region" instead'],
  ['failure-domain.beta.kubernetes.io/zone', 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'],
  ['beta.kubernetes.io/instance-type', 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  ['scheduler.alpha.kubernetes.io/preferAvoidPods', 'deprecated since v1.22; use Taints and Tolerations instead'],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead'],
])

/** Why a node's label should not be used any more. */
export function deprecatedNodeLabel(key: string): string | undefined {
  return NODE_LABELS.get(key)
}

const ANNOTATIONS = new Map([
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
])

const VOLUMES: Readonly<Partial<Record<keyof Volume, string>>> = {
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
}
/** Upstream's path of the volume, where it is not the field's name. */
const VOLUME_PATHS: Readonly<Record<string, string>> = { storageos: 'storageOS' }

function fractionalBytes(list: Readonly<Record<string, string>> | undefined, names: readonly string[], path: string): string[] {
  const wrong = names.filter((name) => list?.[name] !== undefined && !isWhole(list[name]))
  return wrong.map((name) => `${path}[${name}]: fractional byte value ${quote(list?.[name] ?? '')} is invalid, must be an integer`)
}

export function claimSpecWarnings(spec: PersistentVolumeClaimSpec, path: string): string[] {
  const of = (field: 'requests' | 'limits'): string[] => fractionalBytes(spec.resources?.[field], ['storage'], `${path}.resources.${field}`)
  return [...of('requests'), ...of('limits')]
}

/** Addresses that work but are not written as they should be. */
export function ipWarnings(path: string, value: string): string[] {
  const canonical = canonicalIp(value)
  if (canonical === undefined || canonical === value) return []
  if (isValidIp(value).length > 0) return [`${path}: non-standard IP address ${quote(value)} is invalid: use ${quote(canonical)}`]
  return [`${path}: IPv6 address ${quote(value)} should be in RFC 5952 canonical format (${quote(canonical)})`]
}

function termWarnings({ matchExpressions = [] }: NodeSelectorTerm, checksValues: boolean, path: string): string[] {
  return matchExpressions.flatMap(({ key, values = [] }, i) => {
    const why = deprecatedNodeLabel(key)
    const at = `${path}.matchExpressions[${i}]`
    const bad = checksValues
      ? values.flatMap((value, j) => isLabelValue(value).map((error) => `${at}.values[${j}]: ${value} is invalid, ${error}`))
      : []
    return why ? [`${at}.key: ${key} is ${why}`, ...bad] : bad
  })
}

function nodeWarnings(spec: PodSpec, path: string): string[] {
  const warnings: string[] = []
  for (const key of Object.keys(spec.nodeSelector ?? {})) {
    const why = deprecatedNodeLabel(key)
    if (why) warnings.push(`${path}.nodeSelector[${key}]: ${why}`)
  }
  const affinity = spec.affinity?.nodeAffinity
  const at = `${path}.affinity.nodeAffinity`
  affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms?.forEach((term, i) => {
    warnings.push(...termWarnings(term, false, `${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${i}]`))
  })
  affinity?.preferredDuringSchedulingIgnoredDuringExecution?.forEach(({ preference }, i) => {
    warnings.push(...termWarnings(preference, true, `${at}.preferredDuringSchedulingIgnoredDuringExecution[${i}].preference`))
  })
  spec.topologySpreadConstraints?.forEach(({ topologyKey, labelSelector }, i) => {
    const why = deprecatedNodeLabel(topologyKey)
    if (why) warnings.push(`${path}.topologySpreadConstraints[${i}].topologyKey: ${topologyKey} is ${why}`)
    if (!labelSelector)
      warnings.push(`${path}.topologySpreadConstraints[${i}].labelSelector: a null labelSelector results in matching no pod`)
  })
  return warnings
}

function volumeWarnings(volumes: readonly Volume[], path: string): string[] {
  return volumes.flatMap((volume, i) => {
    const at = `${path}.volumes[${i}]`
    const old = Object.keys(volume).flatMap((field) => {
      const why = VOLUMES[field as keyof Volume]
      return why ? [`${at}.${VOLUME_PATHS[field] ?? field}: ${why}`] : []
    })
    const template = volume.ephemeral?.volumeClaimTemplate
    return template ? [...old, ...claimSpecWarnings(template.spec, `${at}.ephemeral.volumeClaimTemplate.spec`)] : old
  })
}

function duplicates(values: readonly string[], text: (i: number, value: string) => string): string[] {
  return values.flatMap((value, i) => (values.indexOf(value) < i ? [text(i, value)] : []))
}

/** Two variables of one name: all right only where the later one builds on the earlier. */
function envWarnings(env: readonly EnvVar[], path: string): string[] {
  const seen = new Set<string>()
  return env.flatMap(({ name, value = '', valueFrom }, i) => {
    if (!seen.has(name)) {
      seen.add(name)
      return []
    }
    const reference = `$(${name})`
    const builds = !valueFrom && value !== reference && value.includes(reference)
    return builds ? [] : [`${path}[${i}]: hides previous definition of ${quote(name)}, which may be dropped when using apply`]
  })
}

const BYTES = ['memory', 'ephemeral-storage']

function containerWarnings(spec: PodSpec, annotations: Readonly<Record<string, string>>, path: string, metaPath: string): string[] {
  const warnings: string[] = []
  eachContainer(spec, path, ({ name, env, resources, securityContext }, at) => {
    const old = (key: string, text: string): void => {
      if (annotations[key] !== undefined) warnings.push(`${metaPath}.annotations[${key}]: ${text}`)
    }
    if (!securityContext?.seccompProfile)
      old(`${SECCOMP_CONTAINER_PREFIX}${name}`, 'non-functional in v1.27+; use the "seccompProfile" field instead')
    if (!securityContext?.appArmorProfile)
      old(`${APPARMOR_PREFIX}${name}`, 'deprecated since v1.30; use the "appArmorProfile" field instead')
    if (resources) {
      for (const byte of BYTES) {
        warnings.push(
          ...fractionalBytes(resources.limits, [byte], `${at}.resources.limits`),
          ...fractionalBytes(resources.requests, [byte], `${at}.resources.requests`),
        )
      }
    }
    if (env) warnings.push(...envWarnings(env, `${at}.env`))
  })
  return warnings
}

/** How Go prints the port. */
function goPort({ name = '', hostPort = 0, containerPort = 0, protocol = '', hostIP = '' }: ContainerPort): string {
  return `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`
}

function portPairWarning(port: ContainerPort, other: ContainerPort, at: string, otherAt: string): string | undefined {
  const [host, otherHost] = [port.hostPort ?? 0, other.hostPort ?? 0]
  const [ip, otherIp] = [port.hostIP ?? '', other.hostIP ?? '']
  if (ip === otherIp && host === otherHost) return `${at}: duplicate port definition with ${otherAt}`
  if (host === 0 || otherHost === 0) return `${at}: overlapping port definition with ${otherAt}`
  if (host === otherHost && (ip === '') !== (otherIp === '')) return `${at}: dangerously ambiguous port definition with ${otherAt}`
  return undefined
}

function portWarnings(spec: PodSpec, path: string): string[] {
  const warnings: string[] = []
  const all: { port: ContainerPort; at: string }[] = []
  eachContainer(spec, path, ({ ports = [] }, container) =>
    ports.forEach((port, i) => void all.push({ port, at: `${container}.ports[${i}]` })),
  )
  for (const [i, { port, at }] of all.entries()) {
    if (port.hostIP && !port.hostPort) warnings.push(`${at}: hostIP set without hostPort: ${goPort(port)}`)
    for (const other of all.slice(0, i)) {
      if (other.port.containerPort !== port.containerPort || other.port.protocol !== port.protocol) continue
      const warning = portPairWarning(port, other.port, at, other.at)
      if (warning) warnings.push(warning)
    }
  }
  const names = new Map<string, string>()
  for (const {
    port: { name },
    at,
  } of all) {
    const other = name ? names.get(name) : undefined
    if (other)
      warnings.push(
        `${at}: duplicate port name ${quote(name ?? '')} with ${other}, services and probes that select ports by name will use ${other}`,
      )
    else if (name) names.set(name, at)
  }
  return warnings
}

function affinityWarnings({ affinity }: PodSpec, path: string): string[] {
  return (['podAffinity', 'podAntiAffinity'] as const).flatMap((field) => {
    const at = `${path}.affinity.${field}`
    const text = 'a null labelSelector results in matching no pod'
    const { requiredDuringSchedulingIgnoredDuringExecution: needed = [], preferredDuringSchedulingIgnoredDuringExecution: preferred = [] } =
      affinity?.[field] ?? {}
    return [
      ...needed.flatMap((term, i) =>
        term.labelSelector ? [] : [`${at}.requiredDuringSchedulingIgnoredDuringExecution[${i}].labelSelector: ${text}`],
      ),
      ...preferred.flatMap(({ podAffinityTerm: term }, i) =>
        term.labelSelector ? [] : [`${at}.preferredDuringSchedulingIgnoredDuringExecution[${i}].podAffinityTerm.labelSelector: ${text}`],
      ),
    ]
  })
}

/** `path` is the spec's; `holder` is where the metadata beside it is: nothing for a pod, the template's path for a template. A pod's negative grace is put right anyway. */
export function podSpecWarnings(spec: PodSpec, meta: Partial<ObjectMeta>, path: string, holder: string): string[] {
  const metaPath = holder ? `${holder}.metadata` : 'metadata'
  const annotations = meta.annotations ?? {}
  const warnings = nodeWarnings(spec, path)
  for (const [key, text] of ANNOTATIONS) if (annotations[key] !== undefined) warnings.push(`${metaPath}.annotations[${key}]: ${text}`)
  const volumes = spec.volumes ?? []
  warnings.push(...volumeWarnings(volumes, path), ...overlappingPaths(volumes))
  const [aliases, secrets] = [spec.hostAliases ?? [], spec.imagePullSecrets ?? []]
  warnings.push(
    ...duplicates(
      aliases.map(({ ip }) => ip),
      (i, ip) => `${path}.hostAliases[${i}].ip: duplicate ip ${quote(ip)}`,
    ),
  )
  warnings.push(
    ...duplicates(
      secrets.map(({ name = '' }) => name),
      (i, name) => `${path}.imagePullSecrets[${i}].name: duplicate name ${quote(name)}`,
    ),
  )
  secrets.forEach(({ name }, i) => {
    if (!name) warnings.push(`${path}.imagePullSecrets[${i}].name: invalid empty name ""`)
  })
  warnings.push(...fractionalBytes(spec.overhead, BYTES, `${path}.overhead`))
  if (!spec.securityContext?.seccompProfile && annotations[SECCOMP_POD] !== undefined) {
    warnings.push(`${metaPath}.annotations[${SECCOMP_POD}]: non-functional in v1.27+; use the "seccompProfile" field instead`)
  }
  warnings.push(...containerWarnings(spec, annotations, path, metaPath), ...portWarnings(spec, path))
  if (holder && (spec.terminationGracePeriodSeconds ?? 0) < 0) {
    warnings.push(`${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`)
  }
  warnings.push(...affinityWarnings(spec, path))
  spec.dnsConfig?.nameservers?.forEach((address, i) => void warnings.push(...ipWarnings(`${path}.dnsConfig.nameservers[${i}]`, address)))
  aliases.forEach(({ ip }, i) => void warnings.push(...ipWarnings(`${path}.hostAliases[${i}].ip`, ip)))
  return warnings
}

/** A pod's name is its host name, which a dot makes surprising. */
export function podNameWarnings(name: string): string[] {
  const broken = isDns1123Label(name)
  if (broken.length === 0) return []
  return [
    `metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${broken.join(' ')}]`,
  ]
}
