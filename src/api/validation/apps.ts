/** The workloads of apps/v1, and those of core that are like them. */
import { forbidden, IMMUTABLE, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { isEmptySelector, validateLabelSelector } from './labels.ts'
import { nameIsDnsLabel } from './names.ts'
import { validatePersistentVolumeClaimSpec } from './persistentVolumes.ts'
import { validatePodTemplateSpec } from './podSpec.ts'
import { NOT_NEGATIVE, validateNotNegative } from './values.ts'
import { labelSelectorMatches, selectsAll } from '../selectors.ts'
import type { ControllerRevision, DaemonSet, Deployment, DeploymentStrategy, ReplicaSet, RollingUpdateDaemonSet, StatefulSet } from '../kinds/apps/v1.ts'
import type { PodTemplate, PodTemplateSpec, ReplicationController } from '../kinds/core/v1.ts'
import type { LabelSelector } from '../kinds/meta/v1.ts'
import type { FieldError } from '../status.ts'

const PERCENT = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
const MISMATCH = '`selector` does not match template `labels`'

type IntOrPercent = number | string | undefined

function validateIntOrPercent(value: IntOrPercent, path: string): FieldError[] {
  if (typeof value === 'string') return /^[0-9]+%$/.test(value) ? [] : [invalid(path, value, PERCENT)]
  return validateNotNegative(value, path)
}

function validateAtMost100(value: IntOrPercent, path: string): FieldError[] {
  return typeof value === 'string' && /^[0-9]+%$/.test(value) && Number.parseInt(value, 10) > 100 ? [invalid(path, value, 'must not be greater than 100%')] : []
}

const isZero = (value: IntOrPercent): boolean => value === 0 || (typeof value === 'string' && Number.parseInt(value, 10) === 0)

/** The selector, that the template has its labels, the template, and that it restarts always. */
function validateSelectorAndTemplate(selector: LabelSelector | undefined, template: PodTemplateSpec | undefined): FieldError[] {
  const errors: FieldError[] = []
  if (!selector) errors.push(required('spec.selector'))
  else {
    const wrong = validateLabelSelector(selector, 'spec.selector')
    errors.push(...wrong)
    if (isEmptySelector(selector)) errors.push(invalid('spec.selector', selector, 'empty selector is invalid for deployment'))
    else if (wrong.length > 0) errors.push(invalid('spec.selector', selector, 'invalid label selector'))
  }
  const usable = selector && validateLabelSelector(selector, '').length === 0
  const labels = template?.metadata?.labels
  if (!selector || (usable && !isEmptySelector(selector))) {
    if (!selector || !labelSelectorMatches(selector, labels ?? {})) errors.push(invalid('spec.template.metadata.labels', labels ?? null, MISMATCH))
  }
  return [...errors, ...validateTemplate(template)]
}

function validateTemplate(template: PodTemplateSpec | undefined): FieldError[] {
  const errors = validatePodTemplateSpec(template, 'spec.template')
  const restartPolicy = template?.spec?.restartPolicy
  if (restartPolicy && restartPolicy !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']))
  if (template?.spec?.activeDeadlineSeconds !== undefined) {
    errors.push(forbidden('spec.template.spec.activeDeadlineSeconds', 'activeDeadlineSeconds in ReplicaSet is not Supported'))
  }
  return errors
}

function validateStrategy(strategy: DeploymentStrategy | undefined): FieldError[] {
  const { type, rollingUpdate } = strategy ?? {}
  const path = 'spec.strategy.rollingUpdate'
  if (type === 'Recreate') return rollingUpdate ? [forbidden(path, "may not be specified when strategy `type` is 'Recreate'")] : []
  if (type !== 'RollingUpdate') return [notSupported('spec.strategy', { Type: type ?? '', RollingUpdate: rollingUpdate ?? null }, ['Recreate', 'RollingUpdate'])]
  if (!rollingUpdate) return [required(path, 'this should be defaulted and never be nil')]
  const { maxUnavailable, maxSurge } = rollingUpdate
  const errors = [...validateIntOrPercent(maxUnavailable, `${path}.maxUnavailable`), ...validateIntOrPercent(maxSurge, `${path}.maxSurge`)]
  if (errors.length === 0 && isZero(maxUnavailable) && isZero(maxSurge)) errors.push(invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'))
  return [...errors, ...validateAtMost100(maxUnavailable, `${path}.maxUnavailable`)]
}

export function validateDeployment({ spec }: Deployment): FieldError[] {
  const errors = validateNotNegative(spec?.replicas, 'spec.replicas')
  errors.push(...validateSelectorAndTemplate(spec?.selector, spec?.template), ...validateStrategy(spec?.strategy))
  errors.push(...validateNotNegative(spec?.minReadySeconds, 'spec.minReadySeconds'), ...validateNotNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit'))
  const deadline = spec?.progressDeadlineSeconds
  if (deadline !== undefined) {
    errors.push(...validateNotNegative(deadline, 'spec.progressDeadlineSeconds'))
    if (deadline <= (spec?.minReadySeconds ?? 0)) errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'))
  }
  return errors
}

function validateSelectorUnchanged(next: LabelSelector | undefined, old: LabelSelector | undefined): FieldError[] {
  const text = (selector: LabelSelector | undefined): string =>
    JSON.stringify([Object.entries(selector?.matchLabels ?? {}).toSorted(), selector?.matchExpressions ?? []])
  return text(next) === text(old) ? [] : [invalid('spec.selector', next ?? null, IMMUTABLE)]
}

export function validateDeploymentUpdate(next: Deployment, old: Deployment): FieldError[] {
  return [...validateDeployment(next), ...validateSelectorUnchanged(next.spec?.selector, old.spec?.selector)]
}

export function validateReplicaSet({ spec }: ReplicaSet): FieldError[] {
  return [
    ...validateNotNegative(spec?.replicas, 'spec.replicas'),
    ...validateNotNegative(spec?.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelectorAndTemplate(spec?.selector, spec?.template),
  ]
}

export function validateReplicaSetUpdate(next: ReplicaSet, old: ReplicaSet): FieldError[] {
  return [...validateReplicaSet(next), ...validateSelectorUnchanged(next.spec?.selector, old.spec?.selector)]
}

export function validateReplicationController({ spec }: ReplicationController): FieldError[] {
  const errors = [...validateNotNegative(spec?.minReadySeconds, 'spec.minReadySeconds')]
  const selector = spec?.selector ?? {}
  if (Object.keys(selector).length === 0) errors.push(required('spec.selector'))
  errors.push(...validateNotNegative(spec?.replicas, 'spec.replicas'))
  if (!spec?.template) return [...errors, required('spec.template')]
  const labels = spec.template.metadata?.labels
  if (Object.keys(selector).length > 0 && !selectsAll(selector, labels)) errors.push(invalid('spec.template.metadata.labels', labels ?? null, MISMATCH))
  return [...errors, ...validateTemplate(spec.template)]
}

export function validateReplicationControllerUpdate(next: ReplicationController): FieldError[] {
  return validateReplicationController(next)
}

function validateDaemonRolling(rolling: RollingUpdateDaemonSet | undefined): FieldError[] {
  const path = 'spec.updateStrategy.rollingUpdate'
  if (!rolling) return [required(path)]
  const { maxUnavailable, maxSurge } = rolling
  const errors = [
    ...validateIntOrPercent(maxUnavailable, `${path}.maxUnavailable`), ...validateAtMost100(maxUnavailable, `${path}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${path}.maxSurge`), ...validateAtMost100(maxSurge, `${path}.maxSurge`),
  ]
  if (errors.length > 0) return errors
  const hasUnavailable = maxUnavailable !== undefined && !isZero(maxUnavailable)
  const hasSurge = maxSurge !== undefined && !isZero(maxSurge)
  if (hasUnavailable && hasSurge) return [invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero')]
  return hasUnavailable || hasSurge ? [] : [required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0')]
}

export function validateDaemonSet({ spec }: DaemonSet): FieldError[] {
  const errors = validateSelectorAndTemplate(spec?.selector, spec?.template)
  errors.push(...validateNotNegative(spec?.minReadySeconds, 'spec.minReadySeconds'))
  const { type, rollingUpdate } = spec?.updateStrategy ?? {}
  if (type === 'RollingUpdate') errors.push(...validateDaemonRolling(rollingUpdate))
  else if (type !== 'OnDelete') {
    errors.push(notSupported('spec.updateStrategy', { Type: type ?? '', RollingUpdate: rollingUpdate ?? null }, ['RollingUpdate', 'OnDelete']))
  }
  return [...errors, ...validateNotNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit')]
}

export function validateDaemonSetUpdate(next: DaemonSet, old: DaemonSet): FieldError[] {
  return [...validateDaemonSet(next), ...validateSelectorUnchanged(next.spec?.selector, old.spec?.selector)]
}

function validateStatefulStrategy(spec: StatefulSet['spec']): FieldError[] {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {}
  const path = 'spec.updateStrategy'
  const shown = rollingUpdate ? { Partition: rollingUpdate.partition ?? 0, MaxUnavailable: rollingUpdate.maxUnavailable ?? null } : null
  switch (type) {
    case undefined:
    case '':
      return [required(path)]
    case 'OnDelete':
      return rollingUpdate ? [invalid(`${path}.rollingUpdate`, shown, "only allowed for updateStrategy 'RollingUpdate'")] : []
    case 'RollingUpdate':
      return [
        ...validateNotNegative(rollingUpdate?.partition, `${path}.rollingUpdate.partition`),
        ...validateIntOrPercent(rollingUpdate?.maxUnavailable, `${path}.rollingUpdate.maxUnavailable`),
      ]
    default:
      return [invalid(path, { Type: type, RollingUpdate: shown }, "must be 'RollingUpdate' or 'OnDelete'")]
  }
}

export function validateStatefulSet({ spec }: StatefulSet): FieldError[] {
  const errors: FieldError[] = []
  const policy = spec?.podManagementPolicy
  if (!policy) errors.push(required('spec.podManagementPolicy'))
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') errors.push(invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"))
  errors.push(...validateStatefulStrategy(spec))
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const value = spec?.persistentVolumeClaimRetentionPolicy?.[field]
    if (value !== undefined && !['Retain', 'Delete'].includes(value)) errors.push(notSupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, value, ['Retain', 'Delete']))
  }
  errors.push(...validateNotNegative(spec?.replicas, 'spec.replicas'), ...validateNotNegative(spec?.minReadySeconds, 'spec.minReadySeconds'))
  errors.push(...validateNotNegative(spec?.ordinals?.start, 'spec.ordinals.start'))
  if (spec?.serviceName) errors.push(...invalidAll('spec.serviceName', spec.serviceName, nameIsDnsLabel(spec.serviceName, false)))
  for (const [i, claim] of (spec?.volumeClaimTemplates ?? []).entries()) {
    errors.push(...validatePersistentVolumeClaimSpec(claim.spec, `spec.volumeClaimTemplates[${i}].spec`))
  }
  errors.push(...validateNotNegative(spec?.revisionHistoryLimit, 'spec.revisionHistoryLimit'))
  return [...errors, ...validateSelectorAndTemplate(spec?.selector, spec?.template)]
}

const STATEFUL_MUTABLE =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"

export function validateStatefulSetUpdate(next: StatefulSet, old: StatefulSet): FieldError[] {
  const fixed = ({ spec }: StatefulSet): string => {
    const { replicas: _, ordinals: _o, template: _t, updateStrategy: _u, revisionHistoryLimit: _r, persistentVolumeClaimRetentionPolicy: _p, minReadySeconds: _m, volumeClaimTemplates, ...rest } = spec ?? {}
    const claims = volumeClaimTemplates?.map(({ status: _s, ...claim }) => claim)
    return sortedJson({ ...rest, ...(claims && { claims }) })
  }
  const errors = validateStatefulSet(next)
  if (fixed(next) !== fixed(old)) errors.push(forbidden('spec', STATEFUL_MUTABLE))
  return errors
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).toSorted(([a], [b]) => (a < b ? -1 : 1))) : v)
}

export function validateControllerRevision(revision: ControllerRevision): FieldError[] {
  const errors: FieldError[] = []
  const { data } = revision
  if (data === undefined || data === null) errors.push(required('data', 'data is mandatory'))
  else if (typeof data !== 'object' || Array.isArray(data)) errors.push(required('data', 'data must be a valid JSON object'))
  if (revision.revision < 0) errors.push(invalid('revision', revision.revision, NOT_NEGATIVE))
  return errors
}

export function validatePodTemplate(template: PodTemplate): FieldError[] {
  return validatePodTemplateSpec(template.template, 'template')
}
