/** DELETE of one object and of a collection. */
import { listKindOf } from '../../api/catalog/catalog.ts'
import { apiVersionOf } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { listObjects } from './lists.ts'
import { parseDeleteOptions, parseListOptions } from './options.ts'
import { parseSelection } from './selection.ts'
import { fromStorage } from './versions.ts'
import { admissionRequest, strategyContext } from './writes.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { ApiRequest, ApiResult } from '../request.ts'
import type { StoredKind } from './kind.ts'
import type { DeleteOptions } from './options.ts'
import type { RegistryCore } from './registryCore.ts'

const JOBS_WARNING =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning'
/** Deletions of a collection that are under way at a time, so that they share the store's commits. */
const COLLECTION_BATCH = 50

function warnOfOrphans(kind: StoredKind, request: ApiRequest, options: DeleteOptions): void {
  const silent = options.propagationPolicy !== undefined || options.orphanDependents !== undefined
  if (kind.strategy.warnsOfOrphans && !silent) request.warnings.push(JOBS_WARNING)
}

function deleteOne(
  core: RegistryCore,
  kind: StoredKind,
  request: ApiRequest,
  at: { namespace: string; name: string },
  options: DeleteOptions,
): ReturnType<RegistryCore['objects']['delete']> {
  const context = strategyContext(core, request, options.dryRun)
  return core.objects.delete(kind, at, options, context, async (old: KubeObject) => {
    const admission = { ...admissionRequest(request, kind, 'DELETE', undefined, old, options), namespace: at.namespace }
    await core.admission.admit(admission)
    await core.admission.validate(admission)
  })
}

function deletedStatus(request: ApiRequest, object: KubeObject): JsonObject {
  const { group, resource } = request.resource
  const details = { name: object.metadata.name, ...(group && { group }), kind: resource, uid: object.metadata.uid }
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }
}

export async function deleteObject(core: RegistryCore, kind: StoredKind, request: ApiRequest): Promise<ApiResult> {
  const options = parseDeleteOptions(request)
  warnOfOrphans(kind, request, options)
  const { object, stored, gone } = await deleteOne(core, kind, request, request, options)
  if (gone && !kind.strategy.returnsDeleted) return { type: 'object', code: 200, object: deletedStatus(request, object) }
  if (stored) return { type: 'object', code: 200, ...pick(fromStorage(stored, request.resource, kind)) }
  const shown = kind.storage === request.resource ? object : fromStorage({ object, json: new Uint8Array() }, request.resource, kind).object
  return { type: 'object', code: 200, object: shown }
}

const pick = ({ object, json }: { object: KubeObject; json: Uint8Array }): { object: KubeObject; json: Uint8Array } => ({ object, json })

export async function deleteCollection(core: RegistryCore, kind: StoredKind, request: ApiRequest): Promise<ApiResult> {
  const options = parseDeleteOptions(request)
  const listOptions = parseListOptions(request.query, false)
  const { prefix, matches } = parseSelection(kind, request.namespace, listOptions, request.resource)
  warnOfOrphans(kind, request, options)
  const page = await listObjects(core, { kind, prefix, options: listOptions, matches, signal: request.signal })
  for (let at = 0; at < page.items.length; at += COLLECTION_BATCH) {
    const batch = page.items.slice(at, at + COLLECTION_BATCH)
    const results = await Promise.allSettled(
      batch.map(({ object }) => {
        const { name, namespace = '' } = object.metadata
        return deleteOne(core, kind, request, { namespace, name }, options)
      }),
    )
    const failed = results.find((result) => result.status === 'rejected' && !isNotFound(result.reason))
    if (failed) throw (failed as PromiseRejectedResult).reason
  }
  return {
    type: 'list',
    kind: listKindOf(request.resource),
    apiVersion: apiVersionOf(request.resource),
    metadata: {
      resourceVersion: String(page.revision),
      ...(page.continue && { continue: page.continue }),
      ...(page.remainingItemCount !== undefined && { remainingItemCount: page.remainingItemCount }),
    },
    items: page.items.map((stored) => fromStorage(stored, request.resource, kind)),
  }
}
