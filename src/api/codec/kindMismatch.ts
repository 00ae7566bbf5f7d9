/** What upstream's scheme says of an object of another kind than the one that is wanted. */
import { isFormerKind } from '../catalog/formerKinds.ts'
import type { Catalog, GroupVersionKind } from '../catalog/catalog.ts'
import { apiVersionOf } from '../resource.ts'

const SCHEME = 'pkg/api/legacyscheme/scheme.go:30'

export function notRegistered(kind: GroupVersionKind, scheme = SCHEME): string {
  const version =
    kind.version === INTERNAL
      ? `the internal version of group ${JSON.stringify(kind.group)}`
      : `version ${JSON.stringify(apiVersionOf(kind))}`
  return `no kind ${JSON.stringify(kind.kind)} is registered for ${version} in scheme ${JSON.stringify(scheme)}`
}

/** Go's package of a group's internal types. */
function internalPackage(group: string): string {
  return group === '' ? 'core' : (group.split('.')[0] as string)
}

/** The list of anything is registered without a type of its own. */
function isList({ group, version, kind }: GroupVersionKind): boolean {
  return group === '' && version === 'v1' && kind === 'List'
}

/** Registered for every group and version. */
const UNVERSIONED = new Set(['Status', 'APIVersions', 'APIGroupList', 'APIGroup', 'APIResourceList'])

export const isUnversioned = ({ kind }: GroupVersionKind): boolean => UNVERSIONED.has(kind)

export function unknownConversion(kind: GroupVersionKind, wanted: string): string {
  const from = isUnversioned(kind) ? 'v1' : kind.version === INTERNAL ? internalPackage(kind.group) : kind.version
  return `converting (${from}.${kind.kind}) to (${wanted}): unknown conversion`
}

/** The version of Go's internal types, which what says no version is taken for where a patch has made it. */
export const INTERNAL = '__internal'

function isInternal(catalog: Catalog, { group, version, kind }: GroupVersionKind): boolean {
  return (
    version === INTERNAL && (kind === 'List' ? group === '' : catalog.kinds.some((known) => known.group === group && known.kind === kind))
  )
}

export function kindMismatch(catalog: Catalog, kind: GroupVersionKind, wanted: GroupVersionKind): string {
  const known = catalog.typeOfKind(kind) || isFormerKind(kind) || isList(kind) || isUnversioned(kind) || isInternal(catalog, kind)
  return known ? unknownConversion(kind, `${internalPackage(wanted.group)}.${wanted.kind}`) : notRegistered(kind)
}
