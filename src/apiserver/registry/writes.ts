/** CREATE and UPDATE, from the decoded body to the answer. */
import { decisionsNow, withDecisions } from '../authorization/pending.ts'
import { apiVersionOf } from '../../api/resource.ts'
import { newBadRequest, newForbidden, newNotFound } from '../../api/status.ts'
import { newForbiddenFor } from '../authorization/forbidden.ts'
import { cloneJson } from '../../api/jsonValues.ts'
import { dedupeOwners, matchNamespace, wipeSystemFields } from './objectMeta.ts'
import { deleteOptionsOfQuery, parseCreateOptions, parseUpdateOptions, sentRevision } from './options.ts'
import { defaultObject } from './schema.ts'
import { trackUpdate } from './fieldManagement.ts'
import { fromStorage, toStorage, withConversions } from './versions.ts'
import type { AdmissionRequest, Operation } from '../admission/admission.ts'
import type { FieldError } from '../../api/status.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { ApiRequest, ApiResult } from '../request.ts'
import type { StoredObject } from '../cache/storedObject.ts'
import type { StoredKind } from './kind.ts'
import type { Tracking } from './fieldManagement.ts'
import type { Part } from './objectChanges.ts'
import type { WriteOptions } from './options.ts'
import type { RegistryCore } from './registryCore.ts'
import type { StrategyContext } from './strategy.ts'

/** What a write is about when it is not about the whole object. */
export interface PartRules {
  part: Part
  /** Makes the whole object from the part that the client may write. */
  reshape?(next: KubeObject, old: KubeObject, context: StrategyContext): KubeObject
  validate?(next: KubeObject, old: KubeObject): FieldError[]
}

export function strategyContext(core: RegistryCore, request: ApiRequest, dryRun: boolean): StrategyContext {
  const { user, verb, warnings, resource } = request
  const { group, version } = resource
  const decide = decisionsNow(core.authorizer)
  const refusal: StrategyContext['refusal'] = (of) => {
    const attributes = { user, group, version, resource: resource.resource, path: '', ...of }
    const { allowed, reason } = decide(attributes)
    return allowed ? undefined : newForbiddenFor(attributes, reason).message
  }
  const subresource = request.subresource?.name ?? ''
  return {
    user,
    verb,
    refusal,
    group,
    subresource,
    now: core.objects.now(),
    dryRun,
    reader: core.reader,
    services: core.services,
    warnings,
  }
}

export function admissionRequest(
  request: ApiRequest,
  kind: StoredKind,
  operation: Operation,
  object: KubeObject | undefined,
  oldObject: KubeObject | undefined,
  options: { dryRun: boolean } & object,
): AdmissionRequest {
  const { group, version, kind: requestedKind } = request.resource
  return {
    operation,
    resource: kind.storage,
    requested: request.resource,
    stored: kind,
    kind: request.subresource?.kind ?? { group, version, kind: requestedKind },
    subresource: request.subresource?.name ?? '',
    namespace: request.namespace,
    name: request.name || object?.metadata.name || '',
    ...(object && { object }),
    ...(oldObject && { oldObject }),
    options: options as unknown as Record<string, unknown>,
    sentOptions: () => sentOptions(request, operation),
    dryRun: options.dryRun,
    user: request.user,
    warnings: request.warnings,
    ...(request.annotate && { annotate: request.annotate }),
    signal: request.signal,
    round: 0,
    wantsReinvocation: false,
  }
}

const OPTIONS_KINDS: Readonly<Record<Operation, string>> = {
  CREATE: 'CreateOptions',
  UPDATE: 'UpdateOptions',
  DELETE: 'DeleteOptions',
  CONNECT: '',
}

/** What webhooks and policies see of the options. */
function sentOptions({ query, body }: ApiRequest, operation: Operation): JsonObject {
  const typeMeta = { kind: OPTIONS_KINDS[operation], apiVersion: 'meta.k8s.io/v1' }
  if (operation === 'DELETE') return { ...deleteOptionsOfQuery(query), ...body, ...typeMeta }
  const options: JsonObject = { ...typeMeta }
  const dryRun = query.getAll('dryRun')
  if (dryRun.length > 0) options['dryRun'] = dryRun
  for (const name of ['fieldManager', 'fieldValidation']) {
    const value = query.get(name)
    if (value) options[name] = value
  }
  return options
}

export function tracking(core: RegistryCore, kind: StoredKind, request: ApiRequest, options: WriteOptions): Tracking {
  return {
    catalog: core.catalog,
    kind,
    resource: request.resource,
    manager: options.manager,
    subresource: request.subresource?.name ?? '',
    nowMs: core.clock.now(),
  }
}

/** The body as an object of its own, whatever the client left out of it. */
export function bodyObject(request: ApiRequest): KubeObject {
  const object = cloneJson(request.body ?? {}) as unknown as KubeObject
  object.metadata ??= {} as KubeObject['metadata']
  if (!request.subresource) {
    object.kind ??= request.resource.kind
    object.apiVersion ??= apiVersionOf(request.resource)
  }
  return object
}

export function answer(stored: StoredObject, request: ApiRequest, kind: StoredKind, code: 200 | 201): ApiResult {
  const { object, json } = fromStorage(stored, request.resource, kind)
  return { type: 'object', code, object, json }
}

/** Admission and storage of a new object that is decoded, in the storage version, with defaults. */
export async function admitAndCreate(
  core: RegistryCore,
  kind: StoredKind,
  request: ApiRequest,
  object: KubeObject,
  options: WriteOptions,
): Promise<StoredObject> {
  if (request.resource.custom && !request.resource.verbs.includes('create')) {
    const why = 'create not allowed while custom resource definition is terminating'
    throw newForbidden(request.resource, object.metadata.name ?? '', why)
  }
  const admission = admissionRequest(request, kind, 'CREATE', object, undefined, options)
  await core.admission.admit(admission)
  const context = strategyContext(core, request, options.dryRun)
  matchNamespace(admission.object as KubeObject, request.resource, request.namespace)
  dedupeOwners(admission.object as KubeObject, request.warnings, 'after mutating admission happens')
  return core.objects.create(kind, admission.object as KubeObject, context, (created) => {
    admission.object = created
    return core.admission.validate(admission)
  })
}

export async function createObject(core: RegistryCore, kind: StoredKind, request: ApiRequest): Promise<ApiResult> {
  const options = parseCreateOptions(request)
  const received = bodyObject(request)
  matchNamespace(received, request.resource, request.namespace)
  wipeSystemFields(received.metadata)
  defaultObject(request.resource, received, core.clock.now())
  kind.strategy.decoded?.(received)
  dedupeOwners(received, request.warnings)
  await withConversions(() => trackUpdate(received, undefined, tracking(core, kind, request, options)))
  const object = toStorage(received, request.resource, kind)
  const stored = await admitAndCreate(core, kind, request, object, options)
  return answer(stored, request, kind, 201)
}

/** The name and namespace in an update's object have to be those of the URL. */
export function matchIdentity(object: KubeObject, request: ApiRequest): void {
  matchNamespace(object, request.resource, request.namespace)
  const { metadata } = object
  if (!metadata.name) throw newBadRequest(`the name of the object (${request.name} based on URL) was undeterminable: name must be provided`)
  if (metadata.name !== request.name) {
    throw newBadRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${request.name})`)
  }
}

export interface ChangeRequest {
  rules: PartRules
  options: WriteOptions
  /** The new object in the requested version, decoded and with defaults; made from the old one in that version. */
  make(old: KubeObject | undefined): KubeObject
  retryConflicts: boolean
  allowCreate: boolean
  /** `make` has written managedFields already (apply). */
  tracked: boolean
}

/** Who may update may not therefore create. */
async function authorizeCreate({ authorizer }: RegistryCore, { user, resource, namespace, name }: ApiRequest): Promise<void> {
  const { group, version } = resource
  const attributes = { user, verb: 'create', group, version, resource: resource.resource, subresource: '', namespace, name, path: '' }
  const { allowed, reason } = await authorizer.authorize(attributes)
  if (!allowed) throw newForbiddenFor(attributes, reason)
}

/** The way of PUT and PATCH from the new object on: managed fields, admission, the store. */
export async function changeObject(core: RegistryCore, kind: StoredKind, request: ApiRequest, change: ChangeRequest): Promise<ApiResult> {
  const { rules, options } = change
  const context = strategyContext(core, request, options.dryRun)
  let admission: AdmissionRequest | undefined
  const steps = {
    namespace: request.namespace,
    name: request.name,
    part: rules.part,
    retryConflicts: change.retryConflicts,
    ...(rules.validate && { validate: rules.validate }),
    sentUid: '',
    async change(old: StoredObject | undefined): Promise<KubeObject> {
      if (!old) {
        if (!change.allowCreate) throw newNotFound(request.resource, request.name)
        await authorizeCreate(core, request)
      }
      const oldObject = old && fromStorage(old, request.resource, kind).object
      const made = await withConversions(() => change.make(oldObject))
      kind.strategy.decoded?.(made)
      if (!change.tracked) await withConversions(() => trackUpdate(made, oldObject, tracking(core, kind, request, options)))
      const object = toStorage(made, request.resource, kind)
      steps.sentUid = object.metadata.uid ?? ''
      if (!old) {
        sentRevision(object.metadata.resourceVersion)
        delete (object.metadata as Partial<KubeObject['metadata']>).resourceVersion
        return object
      }
      admission = admissionRequest(request, kind, 'UPDATE', object, old.object, options)
      await core.admission.admit(admission)
      const admitted = rules.reshape ? rules.reshape(admission.object as KubeObject, old.object, context) : (admission.object as KubeObject)
      matchNamespace(admitted, request.resource, request.namespace)
      dedupeOwners(admitted, request.warnings, 'after mutating admission happens')
      return admitted
    },
    async approve(next: KubeObject): Promise<void> {
      if (!admission) return
      admission.object = next
      await core.admission.validate(admission)
    },
  }
  const create = (object: KubeObject): Promise<StoredObject> => admitAndCreate(core, kind, request, object, options)
  const { stored, created } = await withDecisions(() => core.objects.update(kind, steps, context, create))
  return answer(stored, request, kind, created ? 201 : 200)
}

export async function updateObject(core: RegistryCore, kind: StoredKind, request: ApiRequest, rules: PartRules): Promise<ApiResult> {
  const options = parseUpdateOptions(request)
  const received = bodyObject(request)
  matchIdentity(received, request)
  dedupeOwners(received, request.warnings)
  defaultObject(request.resource, received, core.clock.now())
  return changeObject(core, kind, request, {
    rules,
    options,
    make: () => cloneJson(received),
    retryConflicts: false,
    allowCreate: rules.part !== 'other' && (kind.strategy.allowCreateOnUpdate ?? false),
    tracked: false,
  })
}
