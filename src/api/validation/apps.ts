/** Workloads that keep pods running (pkg/apis/apps/validation), and ReplicationControllers and PodTemplates, which came before them. */
import { asGiven } from '../codec/goShape.ts'
import { asJsonValue, numberOf } from '../codec/longIntegers.ts'
import { deepEqual } from '../meta.ts'
import { labelSelectorRequirements, matchesLabels, selectsAll } from '../selectors.ts'
import { checkClaimSpec } from './claimSpec.ts'
import { check, forbidden, goMap, invalid, notSupported, required } from './fieldErrors.ts'
import { shownSelector, validateLabelSelector } from './labels.ts'
import { isDns1123Label } from './names.ts'
import { validatePodTemplateSpec, validateTemplateMeta } from './pod.ts'
import { checkAtMost100Percent, checkImmutable, checkIntOrPercent, checkNotNegative, intOrPercent } from './values.ts'
import type {
  ControllerRevision,
  DaemonSet,
  DaemonSetSpec,
  DaemonSetUpdateStrategy,
  Deployment,
  DeploymentSpec,
  ReplicaSet,
  StatefulSet,
  StatefulSetSpec,
} from '../kinds/apps/v1.ts'
import type { PodTemplate, PodTemplateSpec, ReplicationController, Volume } from '../kinds/core/v1.ts'
import type { LabelSelector } from '../kinds/meta/v1.ts'
import type { FieldError } from '../status.ts'
import type { Requirements } from '../selectors.ts'

const MISMATCH = '`selector` does not match template `labels`'

/** Undefined for a selector with mistakes in it. */
function parsed(selector: LabelSelector | undefined): Requirements | undefined {
  try {
    return labelSelectorRequirements(selector)
  } catch {
    return undefined
  }
}

function isEmpty(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0
}

/** A selector that is there, is not empty, and whose syntax is right. */
function checkSelector(errors: FieldError[], selector: LabelSelector | undefined, emptyText: string): void {
  if (!selector) {
    errors.push(required('spec.selector'))
    return
  }
  errors.push(...validateLabelSelector(selector, 'spec.selector'))
  if (isEmpty(selector)) errors.push(invalid('spec.selector', shownSelector(selector), emptyText))
}

/** Pods of these workloads run until they are deleted. */
function checkTemplate(errors: FieldError[], template: PodTemplateSpec, matches: boolean, owner: string): void {
  const path = 'spec.template'
  if (!matches) errors.push(invalid(`${path}.metadata.labels`, goMap(template.metadata && asGiven(template.metadata, 'labels')), MISMATCH))
  errors.push(...validatePodTemplateSpec(template, path))
  checkRunsForever(errors, template, owner)
}

function checkRunsForever(errors: FieldError[], { spec }: PodTemplateSpec, owner: string): void {
  const policy = spec?.restartPolicy ?? ''
  if (policy !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', policy, ['Always']))
  if (spec?.activeDeadlineSeconds !== undefined) {
    errors.push(forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${owner} is not Supported`))
  }
}

function matchesTemplate(requirements: Requirements, template: PodTemplateSpec): boolean {
  return matchesLabels(requirements, template.metadata?.labels)
}

const REPLICAS_EMPTY = 'empty selector is invalid for deployment'

function checkReplicatedTemplate(errors: FieldError[], selector: LabelSelector | undefined, template: PodTemplateSpec): void {
  const requirements = parsed(selector)
  if (!requirements) errors.push(invalid('spec.selector', shownSelector(selector), 'invalid label selector'))
  else checkTemplate(errors, template, matchesTemplate(requirements, template), 'ReplicaSet')
}

function checkRollingUpdate(
  errors: FieldError[],
  { maxUnavailable = 0, maxSurge = 0 }: { maxUnavailable?: number | string; maxSurge?: number | string },
  path: string,
): void {
  checkIntOrPercent(errors, `${path}.maxUnavailable`, maxUnavailable)
  checkIntOrPercent(errors, `${path}.maxSurge`, maxSurge)
  if (intOrPercent(maxUnavailable) === 0 && intOrPercent(maxSurge) === 0) {
    errors.push(invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'))
  }
  checkAtMost100Percent(errors, `${path}.maxUnavailable`, maxUnavailable)
}

interface RollingStrategy {
  type?: string
  rollingUpdate?: { maxUnavailable?: number | string; maxSurge?: number | string }
}

/** As upstream's internal type prints itself. */
function strategyInGoNames({ type = '', rollingUpdate }: RollingStrategy): object {
  return {
    Type: type,
    RollingUpdate: rollingUpdate ? { MaxUnavailable: rollingUpdate.maxUnavailable ?? 0, MaxSurge: rollingUpdate.maxSurge ?? 0 } : null,
  }
}

function checkDeploymentStrategy(errors: FieldError[], strategy: RollingStrategy): void {
  const { type, rollingUpdate } = strategy
  const path = 'spec.strategy.rollingUpdate'
  if (type === 'Recreate') {
    if (rollingUpdate) errors.push(forbidden(path, "may not be specified when strategy `type` is 'Recreate'"))
  } else if (type === 'RollingUpdate') {
    if (rollingUpdate) checkRollingUpdate(errors, rollingUpdate, path)
    else errors.push(required(path, 'this should be defaulted and never be nil'))
  } else errors.push(notSupported('spec.strategy', strategyInGoNames(strategy), ['Recreate', 'RollingUpdate']))
}

/** What used to be spec.rollbackTo lives on in an annotation. */
export const ROLLBACK_TO = 'deprecated.deployment.rollback.to'

function checkDeploymentSpec(errors: FieldError[], spec: DeploymentSpec, rollbackTo: string | undefined): void {
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec
  checkNotNegative(errors, 'spec.replicas', spec.replicas)
  checkSelector(errors, spec.selector, REPLICAS_EMPTY)
  checkReplicatedTemplate(errors, spec.selector, spec.template)
  checkDeploymentStrategy(errors, spec.strategy ?? {})
  checkNotNegative(errors, 'spec.minReadySeconds', minReadySeconds)
  checkNotNegative(errors, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit)
  if (rollbackTo) checkNotNegative(errors, 'spec.rollback.version', asJsonValue(numberOf(rollbackTo)) as number)
  checkNotNegative(errors, 'spec.progressDeadlineSeconds', deadline)
  if (deadline !== undefined && deadline <= minReadySeconds)
    errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'))
}

export function validateDeployment({ metadata, spec }: Deployment): FieldError[] {
  const errors: FieldError[] = []
  if (spec) checkDeploymentSpec(errors, spec, metadata.annotations?.[ROLLBACK_TO])
  return errors
}

export function validateDeploymentUpdate(next: Deployment, old: Deployment): FieldError[] {
  const errors = validateDeployment(next)
  checkImmutable(errors, 'spec.selector', next.spec?.selector, old.spec?.selector, shownSelector(next.spec?.selector))
  return errors
}

export function validateReplicaSet({ spec }: ReplicaSet): FieldError[] {
  const errors: FieldError[] = []
  if (!spec) return errors
  checkNotNegative(errors, 'spec.replicas', spec.replicas)
  checkNotNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds)
  checkSelector(errors, spec.selector, REPLICAS_EMPTY)
  checkReplicatedTemplate(errors, spec.selector, spec.template ?? {})
  return errors
}

export function validateReplicaSetUpdate(next: ReplicaSet, old: ReplicaSet): FieldError[] {
  const errors = validateReplicaSet(next)
  checkImmutable(errors, 'spec.selector', next.spec?.selector, old.spec?.selector, shownSelector(next.spec?.selector))
  return errors
}

function checkDaemonRollingUpdate(
  errors: FieldError[],
  { maxUnavailable = 0, maxSurge = 0 }: { maxUnavailable?: number | string; maxSurge?: number | string },
): void {
  const path = 'spec.updateStrategy.rollingUpdate'
  checkIntOrPercent(errors, `${path}.maxUnavailable`, maxUnavailable)
  checkIntOrPercent(errors, `${path}.maxSurge`, maxSurge)
  checkAtMost100Percent(errors, `${path}.maxUnavailable`, maxUnavailable)
  checkAtMost100Percent(errors, `${path}.maxSurge`, maxSurge)
  const [unavailable, surge] = [intOrPercent(maxUnavailable) !== 0, intOrPercent(maxSurge) !== 0]
  if (unavailable && surge) errors.push(invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'))
  if (!unavailable && !surge) errors.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'))
}

function checkDaemonStrategy(errors: FieldError[], strategy: DaemonSetUpdateStrategy): void {
  const { type, rollingUpdate } = strategy
  if (type === 'OnDelete') return
  if (type !== 'RollingUpdate') errors.push(notSupported('spec.updateStrategy', strategyInGoNames(strategy), ['RollingUpdate', 'OnDelete']))
  else if (rollingUpdate) checkDaemonRollingUpdate(errors, rollingUpdate)
  else errors.push(required('spec.updateStrategy.rollingUpdate'))
}

function checkDaemonSetSpec(errors: FieldError[], spec: DaemonSetSpec): void {
  const { selector, template } = spec
  errors.push(...validateLabelSelector(selector, 'spec.selector'))
  const requirements = parsed(selector)
  if (requirements && !matchesTemplate(requirements, template))
    errors.push(invalid('spec.template.metadata.labels', goMap(template.metadata && asGiven(template.metadata, 'labels')), MISMATCH))
  if (selector && isEmpty(selector))
    errors.push(invalid('spec.selector', shownSelector(selector), 'empty selector is invalid for daemonset'))
  errors.push(...validatePodTemplateSpec(template, 'spec.template'))
  checkRunsForever(errors, template, 'DaemonSet')
  checkNotNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds)
  checkDaemonStrategy(errors, spec.updateStrategy ?? {})
  checkNotNegative(errors, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit)
}

export function validateDaemonSet({ spec }: DaemonSet): FieldError[] {
  const errors: FieldError[] = []
  if (spec) checkDaemonSetSpec(errors, spec)
  return errors
}

export function validateDaemonSetUpdate(next: DaemonSet, old: DaemonSet): FieldError[] {
  const errors: FieldError[] = []
  checkImmutable(errors, 'spec.selector', next.spec?.selector, old.spec?.selector, shownSelector(next.spec?.selector))
  return [...errors, ...validateDaemonSet(next)]
}

const MANAGEMENT = ['OrderedReady', 'Parallel']
const RETENTION = ['Retain', 'Delete']

function checkStatefulStrategy(errors: FieldError[], { updateStrategy = {} }: StatefulSetSpec): void {
  const { type, rollingUpdate } = updateStrategy
  const path = 'spec.updateStrategy'
  const rolling = rollingUpdate ? { Partition: rollingUpdate.partition ?? 0, MaxUnavailable: rollingUpdate.maxUnavailable ?? null } : null
  if (!type) errors.push(required(path))
  else if (type === 'OnDelete') {
    if (rolling) errors.push(invalid(`${path}.rollingUpdate`, rolling, "only allowed for updateStrategy 'RollingUpdate'"))
  } else if (type !== 'RollingUpdate')
    errors.push(invalid(path, { Type: type, RollingUpdate: rolling }, "must be 'RollingUpdate' or 'OnDelete'"))
  else if (rollingUpdate) {
    const { partition, maxUnavailable } = rollingUpdate
    checkNotNegative(errors, `${path}.rollingUpdate.partition`, partition)
    if (maxUnavailable === undefined) return
    checkIntOrPercent(errors, `${path}.rollingUpdate.maxUnavailable`, maxUnavailable)
    if (intOrPercent(maxUnavailable) === 0) errors.push(invalid(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, 'cannot be 0'))
    checkAtMost100Percent(errors, `${path}.rollingUpdate.maxUnavailable`, maxUnavailable)
  }
}

/** The template as its pods will be: with the claims' volumes, and without names that the controller gives. */
function templateWithClaims({ template, volumeClaimTemplates = [] }: StatefulSetSpec): PodTemplateSpec {
  const { spec } = template
  if (!spec) return template
  const { hostname: _, subdomain: __, volumes, ...rest } = spec
  const claims = new Set(volumeClaimTemplates.map(({ metadata }) => metadata.name))
  const made = [...claims].map((name): Volume => ({ name, persistentVolumeClaim: { claimName: name } }))
  const all = [...made, ...(volumes ?? []).filter(({ name }) => !claims.has(name))]
  return { ...template, spec: { ...rest, ...(all.length > 0 && { volumes: all }) } }
}

function checkStatefulTemplate(errors: FieldError[], spec: StatefulSetSpec): void {
  const requirements = parsed(spec.selector)
  if (!requirements) errors.push(invalid('spec.selector', shownSelector(spec.selector), ''))
  else {
    const template = templateWithClaims(spec)
    if (!matchesTemplate(requirements, template))
      errors.push(invalid('spec.template.metadata.labels', goMap(template.metadata && asGiven(template.metadata, 'labels')), MISMATCH))
    // Upstream looks at a set's labels and annotations twice.
    errors.push(...validatePodTemplateSpec(template, 'spec.template'), ...validateTemplateMeta(template, 'spec.template'))
  }
  checkRunsForever(errors, spec.template, 'StatefulSet')
}

function validateStatefulSetSpec(spec: StatefulSetSpec, isNew: boolean): FieldError[] {
  const errors: FieldError[] = []
  const { podManagementPolicy: management, persistentVolumeClaimRetentionPolicy: retention, serviceName } = spec
  if (!management) errors.push(required('spec.podManagementPolicy'))
  else if (!MANAGEMENT.includes(management))
    errors.push(invalid('spec.podManagementPolicy', management, "must be 'OrderedReady' or 'Parallel'"))
  checkStatefulStrategy(errors, spec)
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const value = retention?.[field] ?? ''
    if (retention && !RETENTION.includes(value))
      errors.push(notSupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, value, RETENTION))
  }
  if (isNew)
    spec.volumeClaimTemplates?.forEach((claim, i) => checkClaimSpec(errors, claim.spec ?? {}, `spec.volumeClaimTemplates[${i}].spec`))
  checkNotNegative(errors, 'spec.replicas', spec.replicas)
  checkNotNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds)
  checkNotNegative(errors, 'spec.ordinals.start', spec.ordinals?.start)
  if (isNew && serviceName) check(errors, 'spec.serviceName', serviceName, isDns1123Label(serviceName))
  checkSelector(errors, spec.selector, 'empty selector is invalid for statefulset')
  checkStatefulTemplate(errors, spec)
  return errors
}

export function validateStatefulSet({ spec }: StatefulSet): FieldError[] {
  return spec ? validateStatefulSetSpec(spec, true) : []
}

const MUTABLE: readonly (keyof StatefulSetSpec)[] = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
]
const ONLY_MUTABLE =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"

export function validateStatefulSetUpdate(next: StatefulSet, old: StatefulSet): FieldError[] {
  if (!next.spec || !old.spec) return []
  const errors = validateStatefulSetSpec(next.spec, false)
  const fixed = (spec: StatefulSetSpec): object =>
    Object.fromEntries(Object.entries(spec).filter(([field]) => !MUTABLE.includes(field as keyof StatefulSetSpec)))
  if (!deepEqual(fixed(next.spec), fixed(old.spec))) errors.push(forbidden('spec', ONLY_MUTABLE))
  return errors
}

export function validateControllerRevision(revision: ControllerRevision): FieldError[] {
  const errors: FieldError[] = []
  checkNotNegative(errors, 'revision', revision.revision)
  const { data } = revision
  if (data === undefined || data === null) errors.push(required('data', 'data is mandatory'))
  else if (typeof data !== 'object' || Array.isArray(data)) errors.push(required('data', 'data must be a valid JSON object'))
  return errors
}

export function validateControllerRevisionUpdate(next: ControllerRevision, old: ControllerRevision): FieldError[] {
  const errors: FieldError[] = []
  checkNotNegative(errors, 'revision', next.revision)
  checkImmutable(errors, 'data', next.data, old.data)
  return errors
}

export function validatePodTemplate({ template = {} }: PodTemplate): FieldError[] {
  return validatePodTemplateSpec(template, 'template')
}

export function validateReplicationController({ spec = {} }: ReplicationController): FieldError[] {
  const errors: FieldError[] = []
  const { selector = {}, template } = spec
  checkNotNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds)
  const isOpen = Object.keys(selector).length === 0
  if (isOpen) errors.push(required('spec.selector'))
  if (spec.replicas === undefined) errors.push(required('spec.replicas'))
  checkNotNegative(errors, 'spec.replicas', spec.replicas)
  if (!template) errors.push(required('spec.template'))
  else checkTemplate(errors, template, isOpen || selectsAll(selector, template.metadata?.labels), 'ReplicationController')
  return errors
}

export function validateReplicationControllerUpdate(next: ReplicationController, _old: ReplicationController): FieldError[] {
  return validateReplicationController(next)
}
