/** One version of a custom resource as the server serves it: its entry in the catalog and its strategy. */
import type { CatalogResource, CatalogSubresource } from '../../api/catalog/catalog.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../api/kinds/apiextensions/v1.ts'
import { VersionSchema } from './customSchema.ts'
import { compareVersions, isTerminating, schemaOf } from './definitions.ts'
import { typeOfSchema } from './types.ts'

const VERBS = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']
/** Of a resource that goes: what it has can still be changed, though discovery does not say so. */
const VERBS_OF_TERMINATING = ['delete', 'deletecollection', 'get', 'list', 'watch']
const PART_VERBS = ['get', 'patch', 'update']

export interface CustomResource extends CatalogResource {
  readonly custom: VersionSchema
}

function subresourcesOf(definition: CustomResourceDefinition, version: CustomResourceDefinitionVersion): CatalogSubresource[] {
  const { status, scale } = version.subresources ?? {}
  const { group, names } = definition.spec
  const kind = { group, version: version.name, kind: names.kind }
  return [
    ...(status !== undefined && status !== null ? [{ name: 'status', kind, verbs: PART_VERBS }] : []),
    ...(scale ? [{ name: 'scale', kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: PART_VERBS }] : []),
  ]
}

/** `example.com/v1beta1 Widget is deprecated; use example.com/v1 Widget`, where there is one to use. */
function deprecationOf({ spec }: CustomResourceDefinition, name: string, kind: string): string {
  const newer = spec.versions
    .filter((version) => version.served && !version.deprecated && compareVersions(version.name, name) < 0)
    .map((version) => version.name)
    .sort(compareVersions)
  const text = `${spec.group}/${name} ${kind} is deprecated`
  return newer.length === 0 ? text : `${text}; use ${spec.group}/${newer[0]} ${kind}`
}

/** By the names that the definition was granted. */
export function customResource(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  metaType: TypeDef,
): CustomResource {
  const { spec, status } = definition
  const names = status?.acceptedNames ?? spec.names
  const { kind, plural } = names
  let type: TypeDef | undefined
  return {
    group: spec.group,
    version: version.name,
    resource: plural,
    singular: names.singular ?? '',
    kind,
    listKind: names.listKind ?? `${kind}List`,
    namespaced: spec.scope === 'Namespaced',
    verbs: isTerminating(definition) ? VERBS_OF_TERMINATING : VERBS,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    subresources: subresourcesOf(definition, version),
    get type() {
      return (type ??= typeOfSchema(schemaOf(version), metaType))
    },
    ...(version.additionalPrinterColumns?.length && { printerColumns: version.additionalPrinterColumns }),
    custom: new VersionSchema(version, {
      metaType,
      keepsUnknown: spec.preserveUnknownFields === true,
      storageVersion: spec.versions.find(({ storage, served }) => storage && served)?.name,
      deprecation: deprecationOf(definition, version.name, kind),
    }),
  }
}
