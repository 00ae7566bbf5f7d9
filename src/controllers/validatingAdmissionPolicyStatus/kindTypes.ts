/** The types of all kinds: built-in ones from the catalog, custom ones from their definitions. */
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { CustomResourceDefinition, JSONSchemaProps } from '../../api/kinds/apiextensions/v1.ts'
import { celTypeOfDef } from '../../cel/catalogTypes.ts'
import type { CelType } from '../../cel/program.ts'
import type { KindTypes, TypedKind } from './typeChecking.ts'

const DYN: CelType = { kind: 'dyn' }
const STRING: CelType = { kind: 'string' }
const SCALARS: Readonly<Record<string, CelType>> = {
  string: STRING,
  boolean: { kind: 'bool' },
  integer: { kind: 'int' },
  number: { kind: 'double' },
}
const FORMATS: Readonly<Record<string, CelType>> = {
  byte: { kind: 'bytes' },
  date: { kind: 'timestamp' },
  'date-time': { kind: 'timestamp' },
  duration: { kind: 'duration' },
}

function typeOfSchema(schema: JSONSchemaProps, name: string): CelType {
  const { type = '', format = '', items, properties, additionalProperties } = schema
  if (schema['x-kubernetes-int-or-string']) return DYN
  if (type === 'array') return { kind: 'list', of: items ? typeOfSchema(items as JSONSchemaProps, `${name}.items`) : DYN }
  if (type === 'object') {
    if (typeof additionalProperties === 'object') {
      return { kind: 'map', of: typeOfSchema(additionalProperties as JSONSchemaProps, `${name}.values`) }
    }
    if (schema['x-kubernetes-preserve-unknown-fields'] && !properties) return DYN
    const fields = Object.entries(properties ?? {}).map(([field, below]) => [field, typeOfSchema(below, `${name}.${field}`)] as const)
    return { kind: 'object', name, fields: new Map(fields) }
  }
  return (type === 'string' ? FORMATS[format] : undefined) ?? SCALARS[type] ?? DYN
}

const kindText = (group: string, version: string, kind: string): string => `${group}/${version}, Kind=${kind}`

export function kindTypes(catalog: Catalog, definitions: () => readonly CustomResourceDefinition[]): KindTypes {
  const metadata = catalog.type('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')
  const ofDefinition = ({ spec }: CustomResourceDefinition, version: string): TypedKind | undefined => {
    const { kind } = spec.names
    const schema = spec.versions.find((candidate) => candidate.name === version && candidate.served)?.schema?.openAPIV3Schema
    const type = schema && typeOfSchema(schema, kind)
    if (type?.kind !== 'object') return undefined
    const fields = new Map([...type.fields, ['kind', STRING], ['apiVersion', STRING]] as [string, CelType][])
    if (metadata) fields.set('metadata', celTypeOfDef(metadata))
    return { text: kindText(spec.group, version, kind), type: { ...type, fields } }
  }
  const custom = (group: string, version: string, isMeant: (definition: CustomResourceDefinition) => boolean): TypedKind | undefined => {
    const definition = definitions().find((candidate) => candidate.spec.group === group && isMeant(candidate))
    return definition && ofDefinition(definition, version)
  }
  return {
    ofResource(group, version, resource) {
      const found = catalog.resource(group, version, resource)
      if (found) return { text: kindText(group, version, found.kind), type: celTypeOfDef(found.type) }
      return custom(group, version, ({ spec }) => spec.names.plural === resource)
    },
    ofKind(apiVersion, kind) {
      const slash = apiVersion.indexOf('/')
      const [group, version] = slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)]
      const type = catalog.typeOfKind({ group, version, kind })
      if (type) return { text: kindText(group, version, kind), type: celTypeOfDef(type) }
      return custom(group, version, ({ spec }) => spec.names.kind === kind)
    },
  }
}
