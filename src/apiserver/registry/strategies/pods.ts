/** Pods: quality of service, deletion with grace, what an update may change. */
import { qosClassOf } from '../../../api/validation/podQos.ts'
import { validatePod, validatePodStatusUpdate, validatePodUpdate } from '../../../api/validation/pod.ts'
import { podNameWarnings, podSpecWarnings } from '../../../api/validation/podWarnings.ts'
import { dropDisabledFields } from './disabledFields.ts'
import { mergeLabelKeys } from './podLabelKeys.ts'
import { deepEqual, timestamp } from '../../../api/meta.ts'
import { APPARMOR_PREFIX } from '../../../api/validation/pod/annotations.ts'
import { validateAppArmor } from '../../../api/validation/pod/security.ts'
import type { AppArmorProfile, Pod, PodStatus } from '../../../api/kinds/core/v1.ts'
import type { Strategy } from '../strategy.ts'

const DEFAULT_GRACE_SECONDS = 30
/** What a negative one means. */
const LEAST_GRACE_SECONDS = 1

function mendGrace(spec: Pod['spec'] | undefined): void {
  if (spec && (spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = LEAST_GRACE_SECONDS
}

/** A pod that no kubelet has, or that has ended, goes at once. */
function graceOf(pod: Pod, asked: number | undefined): number {
  const grace = asked ?? pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS
  if (!pod.spec.nodeName) return 0
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return 0
  return grace < 0 ? LEAST_GRACE_SECONDS : grace
}

/** The generation that the kubelet has seen is not forgotten by writers that do not know of it. */
function keepObservedGenerations(next: PodStatus, old: PodStatus): PodStatus {
  const before = Object.groupBy(old.conditions ?? [], ({ type }) => type)
  const conditions = next.conditions?.map((condition) => {
    const known = before[condition.type]?.shift()?.observedGeneration
    const observedGeneration = condition.observedGeneration || known
    return observedGeneration ? { ...condition, observedGeneration } : condition
  })
  const observedGeneration = next.observedGeneration || old.observedGeneration
  return { ...next, ...(conditions && { conditions }), ...(observedGeneration && { observedGeneration }) }
}

/** Digests of image volumes are not on by default. */
function dropVolumeStatuses({ containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] }: PodStatus): void {
  for (const { volumeMounts = [] } of [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses])
    for (const mount of volumeMounts) delete mount.volumeStatus
}

function profileOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' }
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' }
  const localhostProfile = annotation.startsWith('localhost/') ? annotation.slice('localhost/'.length) : ''
  const profile = { type: 'Localhost', localhostProfile }
  return localhostProfile && validateAppArmor(profile, '').length === 0 ? profile : undefined
}

/** What the annotations of former days say of AppArmor goes into the fields; answers warnings. */
function adoptAppArmor({ metadata, spec }: Pod): string[] {
  if (spec.os?.name === 'windows') return []
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])].flatMap((container) => {
    const key = `${APPARMOR_PREFIX}${container.name}`
    const annotation = metadata.annotations?.[key]
    if (annotation === undefined || container.securityContext?.appArmorProfile) return []
    const profile = profileOf(annotation)
    if (profile && deepEqual(profile, spec.securityContext?.appArmorProfile)) return []
    if (profile) container.securityContext = { ...container.securityContext, appArmorProfile: profile }
    return [`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`]
  })
}

export const podStrategy: Strategy<Pod> = {
  updateChecks: ['change', 'new'],
  managesGeneration: true,
  statusKeepsMetadata: true,
  resetFields: { status: [['spec'], ['metadata', 'deletionTimestamp'], ['metadata', 'ownerReferences']] },
  returnsDeleted: true,
  initialStatus: (pod) => {
    const gated = (pod.spec?.schedulingGates ?? []).length > 0
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      lastProbeTime: null,
      lastTransitionTime: timestamp(Date.now()),
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
    }
    // A class that the client names is believed.
    return { phase: 'Pending', ...(gated && { conditions: [condition] }), qosClass: pod.status?.qosClass || qosClassOf(pod.spec ?? {}) }
  },
  prepareForCreate(pod, { warnings }) {
    mendGrace(pod.spec)
    dropDisabledFields(pod.spec)
    if (!pod.spec) return
    mergeLabelKeys(pod)
    warnings.push(...adoptAppArmor(pod))
  },
  prepareForUpdate(next, old) {
    mendGrace(next.spec)
    dropDisabledFields(next.spec, old.spec)
    if (next.status) next.status = { ...next.status, qosClass: old.status?.qosClass ?? qosClassOf(next.spec) }
  },
  validateCreate: (pod) => validatePod(pod),
  validateUpdate: (next, old) => validatePodUpdate(next, old),
  validateStatusUpdate: (next, old) => validatePodStatusUpdate(next, old),
  prepareForStatusUpdate(next, old) {
    const { ownerReferences } = old.metadata
    if (ownerReferences) next.metadata.ownerReferences = ownerReferences
    else delete next.metadata.ownerReferences
    const { nodeAllocatableResourceClaimStatuses: _, ...status } = next.status ?? {}
    dropVolumeStatuses(status)
    const kept = keepObservedGenerations(status, old.status ?? {})
    next.status = { ...kept, ...(old.status?.qosClass && { qosClass: status.qosClass || old.status.qosClass }) }
  },
  warningsOnCreate: (pod) => [...podNameWarnings(pod.metadata.name), ...podSpecWarnings(pod.spec, pod.metadata, 'spec', '')],
  gracePeriodSeconds: graceOf,
  selectableFields: {
    'spec.nodeName': (pod) => pod.spec.nodeName ?? '',
    'spec.restartPolicy': (pod) => pod.spec.restartPolicy ?? '',
    'spec.schedulerName': (pod) => pod.spec.schedulerName ?? '',
    'spec.serviceAccountName': (pod) => pod.spec.serviceAccountName ?? '',
    'spec.hostNetwork': (pod) => String(pod.spec.hostNetwork ?? false),
    'status.phase': (pod) => pod.status?.phase ?? '',
    'status.podIP': (pod) => pod.status?.podIP ?? '',
    'status.podIPs': (pod) => pod.status?.podIPs?.[0]?.ip ?? '',
    'status.nominatedNodeName': (pod) => pod.status?.nominatedNodeName ?? '',
  },
  unknownFieldLabel: (label) => `field label not supported: ${label}`,
}
