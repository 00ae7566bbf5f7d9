/** The annotation by which kubectl's client-side apply remembers its configuration, for moving over to server-side apply. */
import type { TypeDef } from '../../api/catalog/schema.ts'
import { isObject, type JsonObject } from '../jsonValue.ts'
import { compare } from './compare.ts'
import { difference, type FieldSet } from './fieldSet.ts'
import { fieldSetOf } from './fieldSetOf.ts'
import { validateTyped } from './validateTyped.ts'

const ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration'

function annotationsOf(object: JsonObject): JsonObject | undefined {
  const annotations = isObject(object['metadata']) ? object['metadata']['annotations'] : undefined
  return isObject(annotations) ? annotations : undefined
}

/** The fields that the annotation sets and that still have that value; undefined if there is no usable annotation. */
export function fieldsStillAsLastApplied(live: JsonObject, apiVersion: string, type: TypeDef): FieldSet | undefined {
  const text = annotationsOf(live)?.[ANNOTATION]
  if (typeof text !== 'string' || text === '') return undefined
  let lastApplied: unknown
  try {
    lastApplied = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(lastApplied) || lastApplied['apiVersion'] !== apiVersion || validateTyped(lastApplied, type) !== undefined) return undefined
  const { changed, removed } = compare(lastApplied, live, type)
  return difference(difference(fieldSetOf(lastApplied, type), changed), removed)
}

/** Keeps an annotation that is there up to date, so that going back to client-side apply works. */
export function withLastApplied(object: JsonObject, applied: JsonObject): JsonObject {
  const annotations = annotationsOf(object)
  if (!annotations?.[ANNOTATION] || !isObject(object['metadata'])) return object
  const text = `${JSON.stringify(withoutAnnotation(applied))}\n`
  return { ...object, metadata: { ...object['metadata'], annotations: { ...annotations, [ANNOTATION]: text } } }
}

function withoutAnnotation(applied: JsonObject): JsonObject {
  const annotations = annotationsOf(applied)
  if (!annotations?.[ANNOTATION]) return applied
  const { [ANNOTATION]: _, ...rest } = annotations
  return { ...applied, metadata: { ...(applied['metadata'] as JsonObject), annotations: rest } }
}
