/** pods/binding: the scheduler's decision. */
import { newBadRequest, newConflict, newStatusError } from '../../../api/status.ts'
import { cloneJson } from '../../../api/jsonValues.ts'
import { keyFor } from '../kind.ts'
import { matchNamespace } from '../objectMeta.ts'
import { newUnmet, otherRevision, otherUid } from '../storageErrors.ts'
import { parseCreateOptions } from '../options.ts'
import { admissionRequest, bodyObject, strategyContext } from '../writes.ts'
import type { Binding, Pod } from '../../../api/kinds/core/v1.ts'
import type { JsonObject } from '../../../api/resource.ts'
import type { ApiRequest, ApiResult } from '../../request.ts'
import type { StoredKind } from '../kind.ts'
import type { RegistryCore } from '../registryCore.ts'
import type { SubresourceHandler } from '../registryCore.ts'

export const SUCCESS: JsonObject = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }

function checkTarget({ target }: Binding): void {
  const errors: string[] = []
  if (target?.kind && target.kind !== 'Node')
    errors.push(`target.kind: Unsupported value: ${JSON.stringify(target.kind)}: supported values: "Node", "<empty>"`)
  if (!target?.name) errors.push('target.name: Required value')
  if (errors.length > 0) throw newStatusError(500, '', errors.length === 1 ? (errors[0] as string) : `[${errors.join(', ')}]`)
}

function assign(pod: Pod, binding: Binding, now: string): void {
  const conflict = (why: string): Error => newConflict({ group: '', resource: 'pods/binding' }, pod.metadata.name, why)
  if (pod.metadata.deletionTimestamp) throw conflict(`pod ${pod.metadata.name} is being deleted, cannot be assigned to a host`)
  if (pod.spec.nodeName) throw conflict(`pod ${pod.metadata.name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`)
  if (pod.spec.schedulingGates?.length) throw conflict(`pod ${pod.metadata.name} has non-empty .spec.schedulingGates`)
  pod.spec.nodeName = binding.target.name as string
  const { annotations, labels } = binding.metadata
  if (annotations) pod.metadata.annotations = { ...pod.metadata.annotations, ...annotations }
  if (labels) pod.metadata.labels = { ...pod.metadata.labels, ...labels }
  const conditions = (pod.status?.conditions ?? []).filter((condition) => condition.type !== 'PodScheduled')
  const scheduled = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: now,
  } as unknown as (typeof conditions)[number]
  // The promise is kept.
  const { nominatedNodeName: _promised, ...status } = pod.status ?? {}
  pod.status = { ...status, conditions: [...conditions, scheduled] }
}

/** It is the store that compares these. */
function checkPreconditions(pod: Pod, { metadata: { uid, resourceVersion } }: Binding, at: { kind: StoredKind; key: string }): void {
  const { kind, key } = at
  const { name } = pod.metadata
  if (uid && uid !== pod.metadata.uid) throw newUnmet(kind.storage, name, key, otherUid(uid, pod.metadata.uid))
  if (resourceVersion && resourceVersion !== pod.metadata.resourceVersion)
    throw newUnmet(kind.storage, name, key, otherRevision(resourceVersion, pod.metadata.resourceVersion ?? ''))
}

async function bind(core: RegistryCore, kind: StoredKind, request: ApiRequest, name: string): Promise<ApiResult> {
  const options = parseCreateOptions(request)
  const received = bodyObject(request) as Binding
  matchNamespace(received, request.resource, request.namespace)
  if (received.metadata.name !== name) throw newBadRequest('name in URL does not match name in Binding object')
  // What is posted to `bindings` is a resource of its own to admission, not a pod.
  const admission = { ...admissionRequest(request, kind, 'CREATE', received, undefined, options), resource: request.resource }
  await core.admission.admit(admission)
  const binding = admission.object as Binding
  checkTarget(binding)
  const context = strategyContext(core, request, options.dryRun)
  const steps = {
    namespace: request.namespace,
    name,
    part: 'other' as const,
    retryConflicts: true,
    change: async () => {
      const pod = cloneJson(core.objects.get(kind, request.namespace, name).object) as Pod
      checkPreconditions(pod, binding, { kind, key: keyFor(kind, request.namespace, name) })
      // As upstream's: who wrote it is on no record.
      assign(pod, binding, context.now)
      return pod
    },
    approve: () => core.admission.validate(admission),
  }
  await core.objects.update(kind, steps, context, () => Promise.reject(new Error('a binding creates no pod')))
  return { type: 'object', code: 201, object: SUCCESS }
}

export const bindPod: SubresourceHandler = (core, kind, request) => bind(core, kind, request, request.name)

/** POST /api/v1/namespaces/x/bindings: the body names the pod. */
export const createBinding: SubresourceHandler = (core, _kind, request) => {
  const pods = core.kinds.named('', 'pods') as StoredKind
  const { name } = bodyObject(request).metadata
  if (!name) throw newBadRequest('Name parameter required.')
  return bind(core, pods, request, name)
}
