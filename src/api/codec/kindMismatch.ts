/** What upstream's scheme says of an object of another kind than the one that is wanted. */
import { isFormerKind } from '../catalog/formerKinds.ts'
import type { Catalog, GroupVersionKind } from '../catalog/catalog.ts'
import { apiVersionOf } from '../resource.ts'

const SCHEME = 'pkg/api/legacyscheme/scheme.go:30'

export function notRegistered(kind: GroupVersionKind, scheme = SCHEME): string {
  return `no kind ${JSON.stringify(kind.kind)} is registered for version ${JSON.stringify(apiVersionOf(kind))} in scheme ${JSON.stringify(scheme)}`
}

/** Go's package of a group's internal types. */
function internalPackage(group: string): string {
  return group === '' ? 'core' : (group.split('.')[0] as string)
}

/** The list of anything is registered without a type of its own. */
function isList({ group, version, kind }: GroupVersionKind): boolean {
  return group === '' && version === 'v1' && kind === 'List'
}

export function kindMismatch(catalog: Catalog, kind: GroupVersionKind, wanted: GroupVersionKind): string {
  if (!catalog.typeOfKind(kind) && !isFormerKind(kind) && !isList(kind)) return notRegistered(kind)
  return `converting (${kind.version}.${kind.kind}) to (${internalPackage(wanted.group)}.${wanted.kind}): unknown conversion`
}
