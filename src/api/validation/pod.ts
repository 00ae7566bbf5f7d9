/** Pods: on create, on update (hardly anything may change), in their status and through their subresources. */
import { forbidden, invalid, invalidAll } from './fieldErrors.ts'
import { validateEphemeralContainers } from './containers.ts'
import { isValidIp } from './names.ts'
import { qosClassOf } from './podQos.ts'
import { validatePodSpec } from './podSpec.ts'
import { validateTolerations } from './podPlacement.ts'
import type { Container, Pod, PodSpec, Toleration } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

export function validatePod(pod: Pod): FieldError[] {
  const errors = validatePodSpec(pod.spec, 'spec', { isPod: true })
  if (pod.spec?.ephemeralContainers?.length) errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'))
  if (pod.spec?.schedulingGates?.length && pod.spec.nodeName) errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'))
  return errors
}

const MUTABLE_FIELDS =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

const same = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b)

/** Key order does not matter, and what is empty is not there. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) => {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) return v
    return Object.fromEntries(Object.entries(v).filter(([, field]) => field !== undefined).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}

function validateTolerationChange(next: readonly Toleration[], old: readonly Toleration[]): FieldError[] {
  const bare = ({ tolerationSeconds: _, ...rest }: Toleration): string => canonical(rest)
  const kept = old.every((toleration) => next.some((other) => bare(other) === bare(toleration)))
  return kept ? [] : [forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')]
}

function withImagesOf(containers: readonly Container[] | undefined, old: readonly Container[] | undefined): Container[] | undefined {
  return containers?.map((container, i) => ({ ...container, ...(old?.[i]?.image !== undefined && { image: old[i].image }) }))
}

function validateDeadline(next: PodSpec, old: PodSpec): FieldError[] {
  const deadline = next.activeDeadlineSeconds
  const before = old.activeDeadlineSeconds
  if (deadline !== undefined) {
    if (deadline < 0 || deadline > 2_147_483_647) return [invalid('spec.activeDeadlineSeconds', deadline, 'must be between 0 and 2147483647, inclusive')]
    if (before !== undefined && before < deadline) return [invalid('spec.activeDeadlineSeconds', deadline, 'must be less than or equal to previous value')]
  } else if (before !== undefined) return [invalid('spec.activeDeadlineSeconds', null, 'must not update from a positive integer to nil value')]
  return []
}

/** Before it is scheduled a gated pod may still be made pickier. */
function gatedChanges(next: PodSpec, old: PodSpec): Partial<PodSpec> {
  if (!old.schedulingGates?.length) return {}
  const kept = Object.entries(old.nodeSelector ?? {}).every(([key, value]) => next.nodeSelector?.[key] === value)
  return { ...(kept && next.nodeSelector && { nodeSelector: next.nodeSelector }), ...(next.affinity && { affinity: next.affinity }) }
}

export function validatePodUpdate(next: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = []
  const { spec } = next
  const before = old.spec
  if ((spec.containers ?? []).length !== before.containers.length) return [forbidden('spec.containers', 'pod updates may not add or remove containers')]
  if ((spec.initContainers ?? []).length !== (before.initContainers ?? []).length) return [forbidden('spec.initContainers', 'pod updates may not add or remove containers')]
  for (const [i, container] of spec.containers.entries()) {
    if (!container.image) errors.push({ type: 'FieldValueRequired', field: `spec.containers[${i}].image`, message: 'Required value' })
    else if (container.image.trim() !== container.image) errors.push(invalid(`spec.containers[${i}].image`, container.image, 'must not have leading or trailing whitespace'))
  }
  errors.push(...validateDeadline(spec, before))
  errors.push(...validateTolerationChange(spec.tolerations ?? [], before.tolerations ?? []), ...validateTolerations(spec.tolerations, 'spec.tolerations'))
  errors.push(...validateGateChange(spec, before))
  if (errors.length > 0) return errors
  const initContainers = withImagesOf(spec.initContainers, before.initContainers)
  const deadline = before.activeDeadlineSeconds
  const { activeDeadlineSeconds: _, tolerations: __, schedulingGates: ___, ...rest } = spec
  const comparable = {
    ...rest,
    containers: withImagesOf(spec.containers, before.containers),
    ...(initContainers && { initContainers }),
    ...(deadline !== undefined && { activeDeadlineSeconds: deadline }),
    ...(before.tolerations && { tolerations: before.tolerations }),
    ...(before.schedulingGates && { schedulingGates: before.schedulingGates }),
    ...(before.terminationGracePeriodSeconds !== undefined && before.terminationGracePeriodSeconds < 0 && spec.terminationGracePeriodSeconds === 1
      && { terminationGracePeriodSeconds: before.terminationGracePeriodSeconds }),
  }
  const allowed = { ...before, ...gatedChanges(spec, before) }
  return same(comparable, allowed) ? [] : [forbidden('spec', `${MUTABLE_FIELDS}\n${specDiff(comparable, allowed)}`)]
}

function validateGateChange(next: PodSpec, old: PodSpec): FieldError[] {
  const known = new Set((old.schedulingGates ?? []).map((gate) => gate.name))
  const added = (next.schedulingGates ?? []).map((gate) => gate.name).filter((name) => !known.has(name))
  if (added.length === 0) return []
  return [forbidden('spec.schedulingGates', `only deletion is allowed, but found new scheduling gates ${JSON.stringify(added)}`)]
}

/** What differs, for people. */
function specDiff(next: object, old: object): string {
  const a = next as Record<string, unknown>
  const b = old as Record<string, unknown>
  const lines = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !same(a[key], b[key]))
  return lines.map((key) => `-${key}: ${canonical(b[key]) ?? 'nil'}\n+${key}: ${canonical(a[key]) ?? 'nil'}`).join('\n')
}

export function validatePodStatusUpdate(next: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = []
  const { podIPs = [], hostIPs = [] } = next.status ?? {}
  for (const [field, ips] of Object.entries({ podIPs, hostIPs })) {
    for (const [i, { ip }] of ips.entries()) if (ip) errors.push(...invalidAll(`status.${field}[${i}]`, ip, isValidIp(ip)))
    const families = ips.map(({ ip }) => (ip?.includes(':') ? 6 : 4))
    if (new Set(families).size < families.length) {
      errors.push(invalid(`status.${field}`, ips.map(({ ip }) => ({ IP: ip })), 'may specify no more than one IP for each IP family'))
    }
  }
  const nominated = next.status?.nominatedNodeName
  if (next.spec.nodeName !== old.spec.nodeName) errors.push(forbidden('status.nodeName', 'may not be changed directly'))
  if (nominated && nominated.length > 253) errors.push(invalid('status.nominatedNodeName', nominated, 'must be no more than 253 characters'))
  return errors
}

export function validateEphemeralContainersUpdate(next: Pod, old: Pod): FieldError[] {
  const containers = next.spec.ephemeralContainers ?? []
  const context = {
    spec: next.spec,
    volumes: new Map((next.spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claims: new Set<string>(),
  }
  const errors = validateEphemeralContainers(containers, context, 'spec.ephemeralContainers')
  const byName = new Map(containers.map((container) => [container.name, container]))
  for (const [i, before] of (old.spec.ephemeralContainers ?? []).entries()) {
    const now = byName.get(before.name)
    if (!now) errors.push(forbidden('spec.ephemeralContainers', `existing ephemeral containers ${JSON.stringify(before.name)} may not be removed\n`))
    else if (!same(now, before)) errors.push(forbidden('spec.ephemeralContainers', `existing ephemeral containers ${JSON.stringify(before.name)} may not be changed\n${i}`))
  }
  return errors
}

export function validatePodResize(next: Pod, old: Pod): FieldError[] {
  const errors = validatePodSpec(next.spec, 'spec', { isPod: true })
  const qos = qosClassOf(next.spec)
  if (qos !== (old.status?.qosClass ?? qosClassOf(old.spec))) errors.push(invalid('spec', old.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing'))
  const scalable = new Set(['cpu', 'memory'])
  const others = (pod: Pod): unknown => [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map(({ resources }) =>
    (['requests', 'limits'] as const).map((field) => Object.entries(resources?.[field] ?? {}).filter(([name]) => !scalable.has(name)).toSorted()))
  if (!same(others(next), others(old))) errors.push(forbidden('spec', 'only cpu and memory resources are mutable'))
  return errors
}

