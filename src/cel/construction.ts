/** Objects that expressions make: `Object.spec{replicas: 1}`, `JSONPatch{…}`. */
import { Fault, ListValue, MapValue } from './values.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

class ConstructedObject extends MapValue {
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

/** An object type is named by where in the root object it stands. @throws Fault where one stands elsewhere */
export function checkTypesByPath(root: Value): void {
  if (!(root instanceof ConstructedObject) || root.typeName !== 'Object') return
  const wrong: string[] = []
  const visit = (value: Value, path: string): void => {
    if (value instanceof ListValue) for (const item of value) visit(item, path)
    if (!(value instanceof MapValue)) return
    const isObject = value instanceof ConstructedObject
    if (isObject && value.typeName !== path)
      wrong.push(
        `unexpected type name ${quoted(value.typeName)}, expected ${quoted(path)}, which matches field name path from root Object type`,
      )
    for (const key of value.keys()) visit(value.get(key)!, isObject ? `${path}.${String(key)}` : path)
  }
  visit(root, 'Object')
  if (wrong.length > 0) throw new Fault(`type mismatch: ${wrong.join('\n')}`)
}

const quoted = (text: string): string => JSON.stringify(text)
