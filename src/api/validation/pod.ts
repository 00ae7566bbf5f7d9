/** Pods (pkg/apis/core/validation), on create, update and through their subresources; and templates of pods. */
import { deepEqual } from '../meta.ts'
import { forbidden } from './fieldErrors.ts'
import { goInternal } from './goInternal.ts'
import { lineDiff } from './lineDiff.ts'
import { validateAnnotations, validateLabels } from './objectMeta.ts'
import { MIRROR, checkPodAnnotationChanges, checkPodAnnotations, checkProfilesAgree } from './pod/annotations.ts'
import { checkImageSpaces } from './pod/containers.ts'
import { checkPodResize } from './pod/resize.ts'
import { checkPodSpec } from './pod/spec.ts'
import { checkPodStatus } from './pod/status.ts'
import { checkPodSpecUpdate } from './pod/updates.ts'
import type { Pod, PodTemplateSpec } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

/** Tokens are an account's; a pod without one has none. */
function checkTokenVolumes(errors: FieldError[], { spec }: Pod): void {
  if (spec.serviceAccountName) return
  for (const [i, { projected }] of (spec.volumes ?? []).entries()) {
    for (const [j, { serviceAccountToken }] of (projected?.sources ?? []).entries()) {
      const field = `spec.volumes[${i}].projected.sources[${j}].serviceAccountToken`
      if (serviceAccountToken) errors.push(forbidden(field, 'must not be specified when serviceAccountName is not set'))
    }
  }
}

function validateWhole(pod: Pod): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec } = pod
  checkPodAnnotations(errors, metadata.annotations, spec, 'metadata.annotations')
  checkPodSpec(errors, spec, metadata, true, 'spec')
  checkTokenVolumes(errors, pod)
  spec.containers?.forEach((container, i) => checkImageSpaces(errors, container, `spec.containers[${i}]`))
  spec.initContainers?.forEach((container, i) => checkImageSpaces(errors, container, `spec.initContainers[${i}]`))
  return errors
}

export function validatePod(pod: Pod): FieldError[] {
  const errors = validateWhole(pod)
  const { spec, metadata } = pod
  if (spec.ephemeralContainers?.length) errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'))
  if (spec.nodeName && spec.schedulingGates?.length)
    errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'))
  checkProfilesAgree(errors, metadata.annotations, spec, 'spec')
  return errors
}

export function validatePodUpdate(next: Pod, old: Pod): FieldError[] {
  const errors = validateWhole(next)
  checkPodAnnotationChanges(errors, next, old, 'metadata.annotations')
  checkPodSpecUpdate(errors, next, old, 'spec')
  return errors
}

export function validatePodStatusUpdate(next: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = []
  checkPodAnnotationChanges(errors, next, old, 'metadata.annotations')
  checkPodStatus(errors, next, old)
  return errors
}

export function validateEphemeralContainersUpdate(next: Pod, old: Pod): FieldError[] {
  if (old.metadata.annotations?.[MIRROR] !== undefined) return [forbidden('', 'static pods do not support ephemeral containers')]
  const errors = validateWhole(next)
  checkPodAnnotationChanges(errors, next, old, 'metadata.annotations')
  for (const container of old.spec.ephemeralContainers ?? []) {
    const { name } = container
    const now = next.spec.ephemeralContainers?.find((other) => other.name === name)
    if (!now) errors.push(forbidden('spec.ephemeralContainers', `existing ephemeral containers "${name}" may not be removed\n`))
    else if (!deepEqual(now, container)) {
      errors.push(
        forbidden(
          'spec.ephemeralContainers',
          `existing ephemeral containers "${name}" may not be changed\n${lineDiff(goInternal('core.v1.EphemeralContainer', container), goInternal('core.v1.EphemeralContainer', now))}`,
        ),
      )
    }
  }
  return errors
}

export function validatePodResize(next: Pod, old: Pod): FieldError[] {
  if (old.metadata.annotations?.[MIRROR] !== undefined) return [forbidden('', 'static pods cannot be resized')]
  if (old.spec.os?.name === 'windows') return [forbidden('', 'windows pods cannot be resized')]
  const errors = validateWhole(next)
  checkPodResize(errors, next, old)
  return errors
}

/** What the metadata of a template has to keep. */
export function validateTemplateMeta({ metadata = {}, spec = { containers: [] } }: PodTemplateSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (metadata.labels) errors.push(...validateLabels(metadata.labels, `${path}.labels`))
  if (metadata.annotations) errors.push(...validateAnnotations(metadata.annotations, `${path}.annotations`))
  checkPodAnnotations(errors, metadata.annotations, spec, `${path}.annotations`)
  return errors
}

/** The template of a workload's pods. */
export function validatePodTemplateSpec(template: PodTemplateSpec, path: string): FieldError[] {
  const { metadata = {}, spec = { containers: [] } } = template
  const errors = validateTemplateMeta(template, path)
  checkPodSpec(errors, spec, undefined, false, `${path}.spec`)
  if (spec.ephemeralContainers?.length)
    errors.push(forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
  checkProfilesAgree(errors, metadata.annotations, spec, `${path}.spec`)
  return errors
}
