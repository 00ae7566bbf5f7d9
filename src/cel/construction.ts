/** Objects that expressions make: `Object.spec{replicas: 1}`, `JSONPatch{…}`. */
import { MapValue } from './values.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

export class ConstructedObject extends MapValue {
  override readonly typeName: string
  readonly #fields: ReadonlyMap<string, Value>

  constructor(typeName: string, fields: ReadonlyMap<string, Value>) {
    super()
    this.typeName = typeName
    this.#fields = fields
  }

  get size(): number {
    return this.#fields.size
  }

  get(key: Value): Value | undefined {
    return this.#fields.get(key as string)
  }

  has(key: Value): boolean {
    return this.#fields.has(key as string)
  }

  keys(): Value[] {
    return [...this.#fields.keys()]
  }
}

export const createObject = (type: Type, fields: Iterable<readonly [string, Value]>): Value =>
  new ConstructedObject(type.name, new Map(fields))
