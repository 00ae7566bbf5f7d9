/**
 * Fields of pods whose features are not on by default in this version of Kubernetes (pkg/api/pod's DropDisabledFields): clients may
 * send them, and they are not kept, unless the stored object has them already.
 */
import type { Container, PodSpec, PodTemplateSpec } from '../../../api/kinds/core/v1.ts'

function containersOf(spec: PodSpec): Pick<Container, 'lifecycle'>[] {
  return [...(spec.containers ?? []), ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])]
}

function dropStopSignals(spec: PodSpec): void {
  for (const container of containersOf(spec)) {
    if (container.lifecycle?.stopSignal === undefined) continue
    delete container.lifecycle.stopSignal
    if (Object.keys(container.lifecycle).length === 0) delete container.lifecycle
  }
}

function hasProjection(spec: PodSpec | undefined, field: 'clusterTrustBundle' | 'podCertificate'): boolean {
  return spec?.volumes?.some(({ projected }) => projected?.sources?.some((source) => source[field])) ?? false
}

export function dropDisabledFields(spec: PodSpec | undefined, before?: PodSpec): void {
  if (!spec) return
  if (!before || !containersOf(before).some(({ lifecycle }) => lifecycle?.stopSignal !== undefined)) dropStopSignals(spec)
  for (const field of ['clusterTrustBundle', 'podCertificate'] as const) {
    if (hasProjection(before, field)) continue
    for (const { projected } of spec.volumes ?? []) for (const source of projected?.sources ?? []) delete source[field]
  }
  if (!before?.schedulingGroup) delete spec.schedulingGroup
}

export function dropDisabledTemplateFields(template: PodTemplateSpec | undefined, before?: PodTemplateSpec): void {
  dropDisabledFields(template?.spec, before?.spec)
}
