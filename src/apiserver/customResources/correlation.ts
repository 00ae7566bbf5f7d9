/**
 * Pairs each part of a new value with the part of the old one that it came from, where the schema says which one that is
 * (k8s.io/apiserver/pkg/cel/common.CorrelatedObject): for transition rules, and so that what was wrong before may stay.
 */
import { deepEqual } from '../../api/meta.ts'
import { additionalOf, isMap, propertyOf } from './jsonSchema.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'

export class Correlated {
  readonly value: unknown
  readonly old: unknown
  readonly #schema: JsonSchema | undefined
  #equal: boolean | undefined
  #oldByKey: Map<string, unknown> | undefined

  constructor(value: unknown, old: unknown, schema: JsonSchema | undefined) {
    this.value = value
    this.old = old
    this.#schema = schema
  }

  /** Nothing has changed here. */
  get unchanged(): boolean {
    return (this.#equal ??= deepEqual(this.value, this.old))
  }

  key(name: string): Correlated | undefined {
    const { value, old } = this
    const schema = this.#schema
    if (!schema || !isMap(value) || !isMap(old)) return undefined
    const below = propertyOf(schema, name) ?? additionalOf(schema)
    if (!below || !Object.hasOwn(old, name)) return undefined
    return new Correlated(value[name], old[name], below)
  }

  index(at: number): Correlated | undefined {
    const { value, old } = this
    const schema = this.#schema
    if (!schema?.items || schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(value) || !Array.isArray(old)) return undefined
    const keys = schema['x-kubernetes-list-map-keys'] ?? []
    this.#oldByKey ??= new Map(old.filter(isMap).map((item) => [itemKey(item, keys), item]))
    const item: unknown = value[at]
    if (!isMap(item)) return undefined
    const before = this.#oldByKey.get(itemKey(item, keys))
    return before === undefined ? undefined : new Correlated(item, before, schema.items)
  }
}

function itemKey(item: Json, keys: readonly string[]): string {
  return JSON.stringify(keys.map((key) => item[key] ?? null))
}
