/** What is allowed but unwise in other objects than pods: shown as `Warning` headers. */
import { quote } from '../quote.ts'
import { keyPairError } from './keyPair.ts'
import { canonicalCidr, isDns1123Label, isValidCidr, parseCidr } from './names.ts'
import { claimSpecWarnings, deprecatedNodeLabel, ipWarnings, podSpecWarnings } from './podWarnings.ts'
import type { ObjectMeta } from '../kinds/meta/v1.ts'
import type { CronJob, Job, JobSpec } from '../kinds/batch/v1.ts'
import type { Node, PersistentVolume, PersistentVolumeClaim, PodTemplateSpec, Secret, Service } from '../kinds/core/v1.ts'
import type { StatefulSet } from '../kinds/apps/v1.ts'
import type { EndpointSlice } from '../kinds/discovery/v1.ts'
import type { Ingress, NetworkPolicy } from '../kinds/networking/v1.ts'
import type { RuntimeClass } from '../kinds/node/v1.ts'
import type { CSIStorageCapacity, StorageClass } from '../kinds/storage/v1.ts'

/** Names of workloads become host names of pods. */
export function workloadNameWarnings(name: string): string[] {
  const broken = isDns1123Label(name)
  if (broken.length === 0) return []
  return [
    `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${broken.join(' ')}]`,
  ]
}

export function templateWarnings(template: PodTemplateSpec | undefined, path = 'spec.template'): string[] {
  return template?.spec ? podSpecWarnings(template.spec, template.metadata ?? {}, `${path}.spec`, path) : []
}

interface Workload {
  metadata: { name: string; generation?: number }
  spec?: { template?: PodTemplateSpec }
}

export function workloadWarnings({ metadata, spec }: Workload): string[] {
  return [...workloadNameWarnings(metadata.name), ...templateWarnings(spec?.template)]
}

/** Nobody is told again what has not changed. */
export function workloadUpdateWarnings({ metadata, spec }: Workload, old: Workload): string[] {
  return metadata.generation === old.metadata.generation ? [] : templateWarnings(spec?.template)
}

export function statefulSetWarnings({ spec }: StatefulSet): string[] {
  const claims = (spec?.volumeClaimTemplates ?? []).flatMap((claim, i) =>
    claimSpecWarnings(claim.spec ?? {}, `spec.volumeClaimTemplates[${i}]`),
  )
  const history = (spec?.revisionHistoryLimit ?? 0) < 0
  return [
    ...templateWarnings(spec?.template),
    ...claims,
    ...(history ? ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended'] : []),
  ]
}

const MANY_COMPLETIONS = 100_000
const MANY_PARALLEL = 10_000

function jobSpecWarnings(spec: JobSpec | undefined, path: string): string[] {
  if (!spec) return []
  const isHuge = spec.completionMode === 'Indexed' && (spec.completions ?? 0) > MANY_COMPLETIONS && (spec.parallelism ?? 0) > MANY_PARALLEL
  const text =
    'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail'
  return [...(isHuge ? [`${path}: ${text}`] : []), ...templateWarnings(spec.template, `${path}.template`)]
}

export function jobWarnings({ metadata, spec }: Job, old?: Job): string[] {
  if (!old) return [...workloadNameWarnings(metadata.name), ...jobSpecWarnings(spec, 'spec')]
  return metadata.generation === old.metadata.generation ? [] : jobSpecWarnings(spec, 'spec')
}

const ZONE_IN_SCHEDULE =
  'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details'

export function cronJobWarnings({ metadata, spec }: CronJob, old?: CronJob): string[] {
  const ofJob = (): string[] => jobSpecWarnings(spec?.jobTemplate.spec, 'spec.jobTemplate.spec')
  if (!old) return [...workloadNameWarnings(metadata.name), ...ofJob()]
  return [...(metadata.generation === old.metadata.generation ? [] : ofJob()), ...(spec?.schedule.includes('TZ') ? [ZONE_IN_SCHEDULE] : [])]
}

/** Ranges that work but are not written as they should be. */
export function cidrWarnings(path: string, value: string): string[] {
  const cidr = parseCidr(value)
  const canonical = canonicalCidr(value)
  if (!cidr || canonical === undefined) return []
  const [address = ''] = canonical.split('/')
  const broken = isValidCidr(value)
  if (broken.some((error) => error.startsWith('must not have bits'))) {
    const network = networkOf(cidr)
    const single = `${address}/${cidr.version === 4 ? 32 : 128}`
    return [`${path}: CIDR value ${quote(value)} is ambiguous in this context (should be ${quote(network)} or ${quote(single)}?)`]
  }
  if (broken.length > 0) return [`${path}: non-standard CIDR value ${quote(value)} is invalid: use ${quote(canonical)}`]
  return canonical === value
    ? []
    : [`${path}: IPv6 CIDR value ${quote(value)} should be in RFC 5952 canonical format (${quote(canonical)})`]
}

function networkOf({ version, bits, prefixLength }: NonNullable<ReturnType<typeof parseCidr>>): string {
  const host = BigInt((version === 4 ? 32 : 128) - prefixLength)
  const network = (bits >> host) << host
  const [count, width] = version === 4 ? [4, 8n] : [8, 16n]
  const parts = Array.from({ length: count }, (_, i) => (network >> (BigInt(count - 1 - i) * width)) & ((1n << width) - 1n))
  const address = version === 4 ? parts.join('.') : parts.map((part) => part.toString(16)).join(':')
  return canonicalCidr(`${address}/${prefixLength}`) ?? ''
}

const HINTS_ANNOTATION = 'service.kubernetes.io/topology-aware-hints'

export function serviceWarnings({ metadata, spec = {} }: Service): string[] {
  const { type, clusterIPs = [], externalIPs = [], loadBalancerIP, sessionAffinity, externalName, trafficDistribution } = spec
  const warnings: string[] = []
  const isHeadless = type === 'ClusterIP' && spec.clusterIP === 'None'
  if (metadata.annotations?.[HINTS_ANNOTATION] !== undefined) {
    warnings.push(`annotation ${HINTS_ANNOTATION} is deprecated, please use service.kubernetes.io/topology-mode instead`)
  }
  if (spec.clusterIP && !isHeadless) clusterIPs.forEach((ip, i) => void warnings.push(...ipWarnings(`spec.clusterIPs[${i}]`, ip)))
  if (isHeadless) {
    if (loadBalancerIP) warnings.push('spec.loadBalancerIP is ignored for headless services')
    if (externalIPs.length > 0) warnings.push('spec.externalIPs is ignored for headless services')
    if (sessionAffinity !== 'None') warnings.push('spec.SessionAffinity is ignored for headless services')
  }
  externalIPs.forEach((ip, i) => void warnings.push(...ipWarnings(`spec.externalIPs[${i}]`, ip)))
  if (externalIPs.length > 0 && !isHeadless && type !== 'ExternalName')
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters')
  if (loadBalancerIP) warnings.push(...ipWarnings('spec.loadBalancerIP', loadBalancerIP))
  spec.loadBalancerSourceRanges?.forEach((range, i) => void warnings.push(...cidrWarnings(`spec.loadBalancerSourceRanges[${i}]`, range)))
  if (type === 'ExternalName' && externalIPs.length > 0) warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"')
  if (type !== 'ExternalName' && externalName) warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"')
  if (trafficDistribution === 'PreferClose') warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
  return warnings
}

/** Of a status, a Service's or an Ingress'. */
export function loadBalancerWarnings({ status }: { status?: { loadBalancer?: { ingress?: readonly { ip?: string }[] } } }): string[] {
  const ingress = status?.loadBalancer?.ingress ?? []
  return ingress.flatMap(({ ip }, i) => (ip ? ipWarnings(`status.loadBalancer.ingress[${i}]`, ip) : []))
}

const INGRESS_CLASS = 'kubernetes.io/ingress.class'

export function ingressWarnings({ metadata, spec }: Ingress): string[] {
  return metadata.annotations?.[INGRESS_CLASS] === undefined || spec?.ingressClassName !== undefined
    ? []
    : [`annotation ${quote(INGRESS_CLASS)} is deprecated, please use 'spec.ingressClassName' instead`]
}

export function networkPolicyWarnings({ spec }: NetworkPolicy): string[] {
  const peers = [
    ...(spec?.ingress ?? []).flatMap(({ from = [] }, i) => from.map((peer, j) => ({ peer, at: `spec.ingress[${i}].from[${j}].ipBlock` }))),
    ...(spec?.egress ?? []).flatMap(({ to = [] }, i) => to.map((peer, j) => ({ peer, at: `spec.egress[${i}].to[${j}].ipBlock` }))),
  ]
  return peers.flatMap(({ peer: { ipBlock }, at }) =>
    ipBlock
      ? [
          ...cidrWarnings(`${at}.cidr`, ipBlock.cidr),
          ...(ipBlock.except ?? []).flatMap((cidr, k) => cidrWarnings(`${at}.except[${k}]`, cidr)),
        ]
      : [],
  )
}

export function endpointSliceWarnings({ addressType, endpoints }: EndpointSlice, isNew: boolean): string[] {
  const old = isNew && addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []
  const strange = (endpoints ?? []).flatMap(({ addresses }, i) =>
    (addresses ?? []).flatMap((address, j) => ipWarnings(`endpoints[${i}].addresses[${j}]`, address)),
  )
  return [...old, ...strange]
}

const OLD_VOLUMES: Readonly<Record<string, string>> = {
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
}
const OLD_CLASS = 'volume.beta.kubernetes.io/storage-class'
const OLD_ANNOTATIONS: Readonly<Record<string, string>> = {
  [OLD_CLASS]: 'deprecated since v1.8; use "storageClassName" attribute instead',
  'volume.beta.kubernetes.io/mount-options': 'deprecated since v1.31; use "mountOptions" attribute instead',
}

function oldAnnotations({ annotations }: ObjectMeta, ...keys: string[]): string[] {
  return keys.filter((key) => annotations?.[key] !== undefined).map((key) => `metadata.annotations[${key}]: ${OLD_ANNOTATIONS[key]}`)
}

export function persistentVolumeWarnings({ metadata, spec = {} }: PersistentVolume): string[] {
  const warnings = oldAnnotations(metadata, ...Object.keys(OLD_ANNOTATIONS))
  if (spec.persistentVolumeReclaimPolicy === 'Recycle') {
    warnings.push(
      'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
    )
  }
  for (const [i, { matchExpressions = [] }] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries()) {
    for (const [j, { key }] of matchExpressions.entries()) {
      const why = deprecatedNodeLabel(key)
      if (why) warnings.push(`spec.nodeAffinity.required.nodeSelectorTerms[${i}].matchExpressions[${j}].key: ${key} is ${why}`)
    }
  }
  for (const [field, text] of Object.entries(OLD_VOLUMES))
    if (field in spec) warnings.push(`spec.${field === 'storageos' ? 'storageOS' : field}: ${text}`)
  return warnings
}

export function claimWarnings({ metadata, spec = {} }: PersistentVolumeClaim): string[] {
  return [...oldAnnotations(metadata, OLD_CLASS), ...claimSpecWarnings(spec, 'spec')]
}

export function secretWarnings({ type, data }: Secret): string[] {
  if (type !== 'kubernetes.io/tls') return []
  const text = (key: string): string => Buffer.from(data?.[key] ?? '', 'base64').toString('latin1')
  const error = keyPairError(text('tls.crt'), text('tls.key'))
  return error === undefined ? [] : [error]
}

export function nodeWarnings({ spec = {} }: Node): string[] {
  const warnings = spec.configSource ? ['spec.configSource: the feature is removed'] : []
  if (spec.externalID) warnings.push('spec.externalID: this field is deprecated, and is unused by Kubernetes')
  return [...warnings, ...(spec.podCIDRs ?? []).flatMap((cidr, i) => cidrWarnings(`spec.podCIDRs[${i}]`, cidr))]
}

export function runtimeClassWarnings({ scheduling }: RuntimeClass): string[] {
  return Object.keys(scheduling?.nodeSelector ?? {}).flatMap((key) => {
    const why = deprecatedNodeLabel(key)
    return why ? [`scheduling.nodeSelector: ${why}`] : []
  })
}

export function storageClassWarnings({ allowedTopologies = [] }: StorageClass): string[] {
  return allowedTopologies.flatMap(({ matchLabelExpressions = [] }, i) =>
    matchLabelExpressions.flatMap(({ key }, j) => {
      const why = deprecatedNodeLabel(key)
      return why ? [`allowedTopologies[${i}].matchLabelExpressions[${j}].key: ${why}`] : []
    }),
  )
}

export function storageCapacityWarnings({ nodeTopology }: CSIStorageCapacity): string[] {
  const expressions = (nodeTopology?.matchExpressions ?? []).flatMap(({ key }, i) => {
    const why = deprecatedNodeLabel(key)
    return why ? [`nodeTopology.matchExpressions[${i}].key: ${key} is ${why}`] : []
  })
  const labels = Object.keys(nodeTopology?.matchLabels ?? {}).flatMap((key) => {
    const why = deprecatedNodeLabel(key)
    return why ? [`nodeTopology.matchLabels.${key}: ${why}`] : []
  })
  return [...expressions, ...labels]
}
