/** What of a definition is asked for in several places: its conditions, its versions, what they say in upstream's internal form. */
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../api/kinds/apiextensions/v1.ts'
import { deepEqual, isConditionTrue } from '../../api/meta.ts'
import type { JsonSchema } from './jsonSchema.ts'

export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io'

export const isEstablished = (definition: CustomResourceDefinition): boolean =>
  isConditionTrue(definition.status?.conditions, 'Established')

/** Nothing new is made of a definition whose objects are being deleted: a finalizer of somebody else's keeps it afterwards, too. */
export const isTerminating = (definition: CustomResourceDefinition): boolean =>
  isConditionTrue(definition.status?.conditions, 'Terminating')

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
