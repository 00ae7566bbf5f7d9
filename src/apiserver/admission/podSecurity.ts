/** PodSecurity: namespaces say by labels which Pod Security Standard their pods have to keep. */
import { namespaces, pods } from '../../api/kinds/core/v1.ts'
import { newInvalid } from '../../api/status.ts'
import { invalid } from '../../api/validation/fieldErrors.ts'
import { forbid, isResource } from './admission.ts'
import { violations } from './podSecurityChecks.ts'
import type { Namespace, Pod } from '../../api/kinds/core/v1.ts'
import type { FieldError } from '../../api/status.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'
import type { Level, Policy } from './podSecurityChecks.ts'

const PREFIX = 'pod-security.kubernetes.io/'
const LEVELS: readonly string[] = ['privileged', 'baseline', 'restricted']
const VERSION = /^(?:latest|v1\.\d+)$/
const MODES = ['enforce', 'audit', 'warn'] as const

/** Resources that make pods: they are never refused, only warned of. */
const TEMPLATES = new Set([
  'apps/deployments',
  'apps/replicasets',
  'apps/statefulsets',
  'apps/daemonsets',
  'batch/jobs',
  'batch/cronjobs',
  '/replicationcontrollers',
  '/podtemplates',
])

/** Writes to a pod that can change what it may do. */
const POD_WRITES = ['', 'ephemeralcontainers', 'resize']

function policyOf(namespace: Namespace | undefined, mode: (typeof MODES)[number]): Policy {
  const labels = namespace?.metadata.labels ?? {}
  const level = labels[PREFIX + mode] ?? 'privileged'
  const version = labels[`${PREFIX}${mode}-version`] ?? 'latest'
  return { level: LEVELS.includes(level) ? (level as Level) : 'restricted', version: VERSION.test(version) ? version : 'latest' }
}

type Template = Partial<Pick<Pod, 'metadata' | 'spec'>>

function templateOf(object: unknown): Template | undefined {
  const { spec, template } = object as {
    spec?: { template?: Template; jobTemplate?: { spec?: { template?: Template } } }
    template?: Template
  }
  return spec?.template ?? spec?.jobTemplate?.spec?.template ?? template
}

/** What to say of a pod that may be, though it does not keep to the policy; undefined where it does. */
function complaint(policy: Policy, pod: Template): string | undefined {
  const found = pod.spec && violations(policy, pod.spec, pod.metadata ?? {})
  return found && `would violate PodSecurity "${policy.level}:${policy.version}": ${found.details}`
}

function report(request: AdmissionRequest, namespace: Namespace | undefined, pod: Template): void {
  const noted = complaint(policyOf(namespace, 'audit'), pod)
  if (noted) request.annotate?.(`${PREFIX}audit-violations`, noted)
}

function warn(request: AdmissionRequest, namespace: Namespace | undefined, pod: Template): void {
  const text = complaint(policyOf(namespace, 'warn'), pod)
  if (text) request.warnings.push(text)
}

/** Existing pods that a namespace's change to a stricter level is checked against. */
const EXISTING_PODS_LIMIT = 3_000

/** Pods that are there already stay, with a warning: one for each set of reasons. */
function warnOfExisting(request: AdmissionRequest, reader: ObjectReader): void {
  const before = policyOf(request.oldObject as Namespace, 'enforce')
  const policy = policyOf(request.object as Namespace, 'enforce')
  const relaxed = policy.version === before.version && LEVELS.indexOf(policy.level) <= LEVELS.indexOf(before.level)
  if (policy.level === 'privileged' || relaxed) return
  const { name } = (request.object as Namespace).metadata
  const existing = reader.list(pods, name)
  const byReasons = new Map<string, string[]>()
  for (const { metadata, spec } of existing.slice(0, EXISTING_PODS_LIMIT)) {
    const found = violations(policy, spec, metadata)
    if (found) byReasons.set(found.reasons, [...(byReasons.get(found.reasons) ?? []), metadata.name])
  }
  if (existing.length > EXISTING_PODS_LIMIT) {
    request.warnings.push(
      `new PodSecurity enforce level only checked against the first ${EXISTING_PODS_LIMIT} of ${existing.length} existing pods`,
    )
  }
  if (byReasons.size === 0) return
  request.warnings.push(
    `existing pods in namespace ${JSON.stringify(name)} violate the new PodSecurity enforce level "${policy.level}:${policy.version}"`,
  )
  const texts = [...byReasons].map(([reasons, names]) => {
    const others = names.length - 1
    const more = others === 0 ? '' : ` (and ${others} other pod${others === 1 ? '' : 's'})`
    return `${names.toSorted()[0]}${more}: ${reasons}`
  })
  request.warnings.push(...texts.toSorted())
}

function labelErrors(namespace: Namespace): FieldError[] {
  const errors: FieldError[] = []
  for (const mode of MODES) {
    const level = namespace.metadata.labels?.[PREFIX + mode]
    const version = namespace.metadata.labels?.[`${PREFIX}${mode}-version`]
    if (level !== undefined && !LEVELS.includes(level)) {
      errors.push(invalid(`metadata.labels[${PREFIX}${mode}]`, level, `must be one of ${LEVELS.join(', ')}`))
    }
    if (version !== undefined && !VERSION.test(version)) {
      errors.push(invalid(`metadata.labels[${PREFIX}${mode}-version]`, version, 'must be "latest" or "v1.x"'))
    }
  }
  return errors
}

/** Bad labels that were there already may stay. */
function checkLabels(namespace: Namespace, old: Namespace | undefined): void {
  const errors = labelErrors(namespace)
  if (errors.length === 0 || (old && JSON.stringify(labelErrors(old)) === JSON.stringify(errors))) return
  throw newInvalid(namespaces, namespace.metadata.name, errors)
}

/** What counts for security did not change: an old pod may still be labelled. */
function unchanged(request: AdmissionRequest): boolean {
  return request.operation === 'UPDATE' && JSON.stringify((request.object as Pod).spec) === JSON.stringify((request.oldObject as Pod).spec)
}

export function createPodSecurity(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'PodSecurity',
    validate(request) {
      if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return
      if (isResource(request, '', 'namespaces')) {
        checkLabels(request.object as Namespace, request.oldObject as Namespace | undefined)
        if (request.operation === 'UPDATE') warnOfExisting(request, reader)
        return
      }
      const isPod = POD_WRITES.some((subresource) => isResource(request, '', 'pods', subresource))
      const isTemplate = request.subresource === '' && TEMPLATES.has(`${request.resource.group}/${request.resource.resource}`)
      if (!isPod && !isTemplate) return
      const namespace = reader.get(namespaces, '', request.namespace)
      const pod = isPod ? (request.object as Pod) : templateOf(request.object)
      if (!pod?.spec) return
      if (isPod) {
        if (unchanged(request)) return
        const policy = policyOf(namespace, 'enforce')
        request.annotate?.(`${PREFIX}enforce-policy`, `${policy.level}:${policy.version}`)
        report(request, namespace, pod)
        const found = violations(policy, pod.spec, pod.metadata ?? {})
        if (found) throw forbid(request, `violates PodSecurity "${policy.level}:${policy.version}": ${found.details}`)
      } else report(request, namespace, pod)
      warn(request, namespace, pod)
    },
  }
}
