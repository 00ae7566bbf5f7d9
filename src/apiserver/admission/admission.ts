/**
 * Admission: an ordered list of plugins between the decoded request and the store (k8s.io/apiserver/pkg/admission).
 * All `admit` hooks run first and may change the object, then the registry validates it, then all `validate` hooks run.
 */
import { quote } from '../../api/quote.ts'
import { newForbidden } from '../../api/status.ts'
import { isPathSegmentName } from '../../api/validation/names.ts'
import type { StatusError } from '../../api/status.ts'
import type { CatalogResource, GroupVersionKind } from '../../api/catalog/catalog.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { StoredKind } from '../registry/kind.ts'
import type { UserInfo } from '../request.ts'
import { guardManagedFields } from './managedFieldsGuard.ts'

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'

export interface AdmissionRequest {
  readonly operation: Operation
  /** In the version that `object` is of: for built-in kinds the one that objects are stored in. */
  readonly resource: CatalogResource
  /** As requested. */
  readonly requested: CatalogResource
  readonly stored: StoredKind
  /** Of the body, as requested: a subresource's own where it has one (Scale, Binding, PodExecOptions). */
  readonly kind: GroupVersionKind
  /** '' for the object itself. */
  readonly subresource: string
  readonly namespace: string
  /** '' for a create that generates the name. */
  readonly name: string
  /** The new object (create, update, and the body of subresources such as binding); `admit` may change or replace it. */
  object?: KubeObject
  /** The existing object (update, delete): shared, never to be written. */
  readonly oldObject?: KubeObject
  /** CreateOptions, UpdateOptions or DeleteOptions. */
  readonly options: Readonly<Record<string, unknown>>
  /** The same as the client sent them, with kind and apiVersion; none for CONNECT. Asked for only where webhooks and policies are. */
  sentOptions?(): JsonObject
  readonly dryRun: boolean
  readonly user: UserInfo
  readonly warnings: string[]
  /** Adds to the request's audit event, if it has one; with a level, if it tells that much. */
  annotate?(key: string, value: string, level?: 'Request'): void
  readonly signal: AbortSignal
  /** 1 when the mutating plugins are gone through once more, for what the first round has changed. */
  round: 0 | 1
  /** To be set by a plugin whose changes others should see. */
  wantsReinvocation: boolean
}

export interface AdmissionPlugin {
  /** Upstream's name, e.g. `LimitRanger`. */
  readonly name: string
  /** May change `request.object`. Throws a StatusError to refuse. */
  admit?(request: AdmissionRequest): void | Promise<void>
  /** Like `validate`, before the object's fields are: what others have made of it is known. */
  inspect?(request: AdmissionRequest): void | Promise<void>
  /** Must not change anything. Throws a StatusError to refuse. */
  validate?(request: AdmissionRequest): void | Promise<void>
}

export class AdmissionChain {
  readonly #admitting: readonly AdmissionPlugin[]
  readonly #inspecting: readonly AdmissionPlugin[]
  readonly #validating: readonly AdmissionPlugin[]

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#admitting = plugins.filter((plugin) => plugin.admit)
    this.#inspecting = plugins.filter((plugin) => plugin.inspect)
    this.#validating = plugins.filter((plugin) => plugin.validate)
  }

  async admit(request: AdmissionRequest): Promise<void> {
    const restoreManagedFields = guardManagedFields(request)
    await this.#admitOnce(request)
    if (request.wantsReinvocation) {
      request.round = 1
      await this.#admitOnce(request)
    }
    restoreManagedFields()
    for (const plugin of this.#inspecting) await plugin.inspect?.(request)
  }

  async #admitOnce(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#admitting) {
      const pending = plugin.admit?.(request)
      if (pending) await pending
    }
  }

  async validate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#validating) {
      const pending = plugin.validate?.(request)
      if (pending) await pending
    }
  }
}

/** A refusal that names the object as upstream's plugins do. */
export function forbid(request: AdmissionRequest, why: string): StatusError {
  const meta = request.object?.metadata
  return newForbidden(request.resource, request.name || meta?.name || meta?.generateName || '', why)
}

export function isResource(request: AdmissionRequest, group: string, resource: string, subresource = ''): boolean {
  return request.resource.resource === resource && request.resource.group === group && request.subresource === subresource
}

/** Why upstream's client asks for no object of that name. */
export function resourceNameError(name: string): string | undefined {
  if (name === '') return 'resource name may not be empty'
  const broken = isPathSegmentName(name, false)
  return broken.length > 0 ? `invalid resource name ${quote(name)}: [${broken.join(' ')}]` : undefined
}
