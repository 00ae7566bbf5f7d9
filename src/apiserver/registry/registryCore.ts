/** What the verbs of the registry share, and the shape of a subresource's handler. */
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { Logger } from '../../base/logger.ts'
import type { AdmissionChain } from '../admission/admission.ts'
import type { ApiRequest, ApiResult, Authorizer } from '../request.ts'
import type { StoredKind } from './kind.ts'
import type { Kinds } from './kinds.ts'
import type { ListSource } from './lists.ts'
import type { ObjectStore } from './objectStore.ts'
import type { ObjectReader } from './reader.ts'
import type { Services } from './services/services.ts'
import type { Tokens } from './tokens.ts'

/** What the verbs share. */
export interface RegistryCore extends ListSource {
  readonly catalog: Catalog
  readonly kinds: Kinds
  readonly objects: ObjectStore
  readonly reader: ObjectReader
  readonly admission: AdmissionChain
  readonly authorizer: Authorizer
  readonly tokens: Tokens
  readonly services: Services
  readonly log: Logger
}

/** Answers every verb of one subresource. */
export type SubresourceHandler = (core: RegistryCore, kind: StoredKind, request: ApiRequest) => Promise<ApiResult>
