/** PodSecurity: namespaces say by labels which Pod Security Standard their pods have to keep. */
import { namespaces } from '../../api/kinds/core/v1.ts'
import { newInvalid } from '../../api/status.ts'
import { invalid } from '../../api/validation/fieldErrors.ts'
import { forbid, isResource } from './admission.ts'
import { violations } from './podSecurityChecks.ts'
import type { Namespace, Pod, PodSpec } from '../../api/kinds/core/v1.ts'
import type { FieldError } from '../../api/status.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'
import type { Level } from './podSecurityChecks.ts'

const PREFIX = 'pod-security.kubernetes.io/'
const LEVELS: readonly string[] = ['privileged', 'baseline', 'restricted']
const MODES = ['enforce', 'audit', 'warn'] as const

/** Resources that make pods: they are never refused, only warned of. */
const TEMPLATES = new Set([
  'apps/deployments', 'apps/replicasets', 'apps/statefulsets', 'apps/daemonsets', 'batch/jobs', 'batch/cronjobs', '/replicationcontrollers', '/podtemplates',
])

interface Policy {
  level: Level
  version: string
}

function policyOf(namespace: Namespace | undefined, mode: (typeof MODES)[number]): Policy {
  const labels = namespace?.metadata.labels ?? {}
  const level = labels[PREFIX + mode] ?? 'privileged'
  return { level: LEVELS.includes(level) ? (level as Level) : 'restricted', version: labels[`${PREFIX}${mode}-version`] ?? 'latest' }
}

function templateSpec(object: unknown): PodSpec | undefined {
  const { spec, template } = object as { spec?: { template?: { spec?: PodSpec }; jobTemplate?: { spec?: { template?: { spec?: PodSpec } } } }; template?: { spec?: PodSpec } }
  return spec?.template?.spec ?? spec?.jobTemplate?.spec?.template?.spec ?? template?.spec
}

function warn(request: AdmissionRequest, policy: Policy, spec: PodSpec): void {
  const found = violations(policy.level, spec)
  if (found) request.warnings.push(`would violate PodSecurity "${policy.level}:${policy.version}": ${found}`)
}

function checkLabels(namespace: Namespace): void {
  const errors: FieldError[] = []
  for (const mode of MODES) {
    const level = namespace.metadata.labels?.[PREFIX + mode]
    const version = namespace.metadata.labels?.[`${PREFIX}${mode}-version`]
    if (level !== undefined && !LEVELS.includes(level)) {
      errors.push(invalid(`metadata.labels[${PREFIX}${mode}]`, level, `must be one of ${LEVELS.join(', ')}`))
    }
    if (version !== undefined && version !== 'latest' && !/^v1\.\d+$/.test(version)) {
      errors.push(invalid(`metadata.labels[${PREFIX}${mode}-version]`, version, 'must be "latest" or "v1.x"'))
    }
  }
  if (errors.length > 0) throw newInvalid(namespaces, namespace.metadata.name, errors)
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
      if (isResource(request, '', 'namespaces')) return checkLabels(request.object as Namespace)
      const isPod = isResource(request, '', 'pods') || isResource(request, '', 'pods', 'ephemeralcontainers')
      const isTemplate = request.subresource === '' && TEMPLATES.has(`${request.resource.group}/${request.resource.resource}`)
      if (!isPod && !isTemplate) return
      const namespace = reader.get(namespaces, '', request.namespace)
      const spec = isPod ? (request.object as Pod).spec : templateSpec(request.object)
      if (!spec) return
      if (isPod) {
        if (unchanged(request)) return
        const policy = policyOf(namespace, 'enforce')
        const found = violations(policy.level, spec)
        if (found) throw forbid(request, `violates PodSecurity "${policy.level}:${policy.version}": ${found}`)
      }
      warn(request, policyOf(namespace, 'warn'), spec)
    },
  }
}
