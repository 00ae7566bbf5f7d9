/** What of a definition is asked for in several places: its conditions, its versions, what they say in upstream's internal form. */
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
} from '../../api/kinds/apiextensions/v1.ts'
import { deepEqual, isConditionTrue } from '../../api/meta.ts'
import type { JsonSchema } from './jsonSchema.ts'

export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io'

export const isEstablished = (definition: CustomResourceDefinition): boolean =>
  isConditionTrue(definition.status?.conditions, 'Established')

export function schemaOf({ schema }: CustomResourceDefinitionVersion): JsonSchema | undefined {
  return schema?.openAPIV3Schema as JsonSchema | undefined
}

export function storageVersion({ spec }: CustomResourceDefinition): string {
  return spec.versions.find((version) => version.storage)?.name ?? spec.versions[0]?.name ?? ''
}

/**
 * What all versions say alike: upstream's internal type holds it once for all, and messages name it there
 * (`spec.validation` rather than `spec.versions[0].schema`).
 */
export interface SharedParts {
  schema: boolean
  subresources: boolean
  additionalPrinterColumns: boolean
  selectableFields: boolean
}

export function sharedParts(versions: readonly CustomResourceDefinitionVersion[]): SharedParts {
  const [first, ...others] = versions
  const same = (name: keyof SharedParts): boolean =>
    first !== undefined && others.every((other) => deepEqual(other[name] ?? null, first[name] ?? null))
  return {
    schema: same('schema'),
    subresources: same('subresources'),
    additionalPrinterColumns: same('additionalPrinterColumns'),
    selectableFields: same('selectableFields'),
  }
}

/** The versions as upstream prints them in messages. */
export function shownVersions(versions: readonly CustomResourceDefinitionVersion[]): object[] {
  const shared = sharedParts(versions)
  const part = <T>(isShared: boolean, value: T | undefined): T | null => (isShared ? null : (value ?? null))
  return versions.map((version) => ({
    Name: version.name,
    Served: version.served,
    Storage: version.storage,
    Deprecated: version.deprecated ?? false,
    DeprecationWarning: version.deprecationWarning ?? null,
    Schema: part(shared.schema, version.schema),
    Subresources: part<CustomResourceSubresources>(shared.subresources, version.subresources),
    AdditionalPrinterColumns: part<CustomResourceColumnDefinition[]>(shared.additionalPrinterColumns, version.additionalPrinterColumns),
    SelectableFields: part(shared.selectableFields, version.selectableFields),
  }))
}

/** Kube-aware version order (apimachinery's CompareKubeAwareVersionStrings): stable first, then by number, then the rest. */
export function compareVersions(a: string, b: string): number {
  const rank = (name: string): readonly number[] | undefined => {
    const [, major, stage, minor] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(name) ?? []
    if (major === undefined) return undefined
    return [stage === undefined ? 3 : stage === 'beta' ? 2 : 1, Number(major), Number(minor ?? 0)]
  }
  const [left, right] = [rank(a), rank(b)]
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : a > b ? 1 : 0
  for (const [i, value] of left.entries()) if (value !== right[i]) return (right[i] as number) - value
  return 0
}
