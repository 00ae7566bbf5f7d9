/** Where a claim's volume gets its content from: two fields that say the same thing, an old one and one that says more. */
import type { PersistentVolumeClaimSpec, TypedLocalObjectReference } from '../../../api/kinds/core/v1.ts'

/** The old field knows claims and snapshots alone. */
function isClaimOrSnapshot({ apiGroup, kind }: TypedLocalObjectReference): boolean {
  return (kind === 'PersistentVolumeClaim' && !apiGroup) || (kind === 'VolumeSnapshot' && apiGroup === 'snapshot.storage.k8s.io')
}

/** Drops what is not on by default or never was allowed, and fills the field that was left out from the other. */
export function settleDataSources(spec: PersistentVolumeClaimSpec | undefined, before?: PersistentVolumeClaimSpec): void {
  if (!spec) return
  // Content from other namespaces is not on by default.
  if (spec.dataSourceRef?.namespace && !before?.dataSourceRef) delete spec.dataSourceRef
  const isDropped = !before?.dataSource && !before?.dataSourceRef && !spec.dataSourceRef
  if (isDropped && spec.dataSource && !isClaimOrSnapshot(spec.dataSource)) delete spec.dataSource
  const { dataSource, dataSourceRef } = spec
  if (dataSource && !dataSourceRef) spec.dataSourceRef = { ...dataSource }
  else if (dataSourceRef && !dataSource && !dataSourceRef.namespace) {
    const { namespace: _, ...source } = dataSourceRef
    spec.dataSource = source
  }
}
