/** The representations that transport can write and read, as one object for the handlers; the formats are in api/codec. */
import type { GroupVersionKind } from '../../api/catalog/catalog.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { MediaType } from './negotiation.ts'

export interface DecodeTarget {
  kind: GroupVersionKind
  type: TypeDef | undefined
  /** '', `Ignore`, `Warn` or `Strict`; anything else is refused by the registry. */
  fieldValidation: string
}

export interface ObjectCodec {
  /** Throws a StatusError (400) with upstream's text. */
  decode(bytes: Uint8Array, mediaType: MediaType, target: DecodeTarget): { object: JsonObject; warnings: readonly string[] }
  encode(object: object, mediaType: MediaType, pretty: boolean): Uint8Array
  /** One watch event, framed for the stream. */
  encodeEvent(type: string, object: object, mediaType: MediaType): Uint8Array
}
