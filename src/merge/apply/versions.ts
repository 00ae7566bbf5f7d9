/** Objects as the API versions show them by which managers know their fields. */
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { JsonObject } from '../jsonValue.ts'
import { validateTyped } from './validateTyped.ts'

export interface ObjectVersion {
  type: TypeDef
  /** Of an object at the version `from`. */
  convert(object: JsonObject, from: string): JsonObject
}

export interface VersionContext {
  /** The type of the objects at `apiVersion`. */
  schema: TypeDef
  apiVersion: string
  /** undefined for a version that is not there any more, whose managers are dropped. Without it all versions are taken to look the same. */
  versionOf?: ((apiVersion: string) => ObjectVersion | undefined) | undefined
}

/** An object, and the version that shows it so. */
export interface Shown {
  readonly object: JsonObject
  readonly apiVersion: string
  readonly type: TypeDef
}

/** The object cannot be shown at a version that a manager knows it by. The message is upstream's. */
export class UnfitVersion extends Error {
  override readonly name = 'UnfitVersion'
}

export function shownNow(object: JsonObject, { schema, apiVersion }: VersionContext): Shown {
  return { object, apiVersion, type: schema }
}

/** undefined for a version that is not there any more; throws UnfitVersion, whose message begins with `failure`. */
export function showAt(shown: Shown, apiVersion: string, { versionOf }: VersionContext, failure = ''): Shown | undefined {
  if (apiVersion === shown.apiVersion) return shown
  if (!versionOf) return { ...shown, apiVersion }
  if (apiVersion.split('/').length > 2) throw new UnfitVersion(`${failure}unexpected GroupVersion string: ${apiVersion}`)
  const version = versionOf(apiVersion)
  if (!version) return undefined
  const { type } = version
  const object = version.convert(shown.object, shown.apiVersion)
  // Custom resources can have fields at one version that another does not declare.
  const fault = validateTyped(object, type)
  if (fault !== undefined) throw new UnfitVersion(`${failure}${fault}`)
  return { object, apiVersion, type }
}
