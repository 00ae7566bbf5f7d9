/** Field paths into a schema, as rules (`fieldPath`) and selectable fields name them: `.spec.name`, `.map['key']`. */
import { additionalOf, propertyOf } from './jsonSchema.ts'
import type { JsonSchema } from './jsonSchema.ts'

export interface SchemaPath {
  /** Field names from the root; keys of maps are marked. */
  readonly steps: readonly { readonly name: string; readonly isKey: boolean }[]
  readonly schema: JsonSchema
}

const TOKEN = /'(?:[^'\\]|\\.)*'|[.[\]]|[^.[\]]+/g
const ESCAPES: Readonly<Record<string, string>> = { "\\'": "'", '\\\\': '\\', '\\n': '\n', '\\r': '\r', '\\t': '\t' }

/** The text of what is wrong where the path leads nowhere. */
export function schemaPath(path: string, root: JsonSchema, allowsArrayNotation = true): SchemaPath | string {
  const tokens = path.match(TOKEN) ?? []
  const steps: { name: string; isKey: boolean }[] = []
  let schema = root
  const enter = (name: string): boolean => {
    const isKey = schema.properties === undefined
    const next = isKey ? additionalOf(schema) : propertyOf(schema, name)
    if (!next) return false
    steps.push({ name, isKey })
    schema = next
    return true
  }
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as string
    const named = tokens[i + 1]
    if (token === '[') {
      if (!allowsArrayNotation) return 'array notation is not allowed'
      if (named === undefined) return 'unexpected end of JSON path'
      if (!/^'.*'$/s.test(named) || named.length < 2) return `expected single quoted string but got ${named}`
      if (!enter(named.slice(1, -1).replace(/\\./gs, (escape) => ESCAPES[escape] ?? escape))) return 'does not refer to a valid field'
      const end = tokens[i + 2]
      if (end === undefined) return 'unexpected end of JSON path'
      if (end !== ']') return `expected ] but got ${end}`
      i += 2
    } else if (token === '.') {
      if (named === undefined) return 'unexpected end of JSON path'
      if (!enter(named)) return 'does not refer to a valid field'
      i++
    } else return `expected [ or . but got: ${token}`
  }
  return { steps, schema }
}

export function isFieldPathOf(path: string, schema: JsonSchema): boolean {
  return typeof schemaPath(path, schema) !== 'string'
}

/** `spec.names[a]`, as errors show it. */
export function shownPath({ steps }: SchemaPath): string {
  return steps
    .map(({ name, isKey }) => (isKey ? `[${name}]` : `.${name}`))
    .join('')
    .replace(/^\./, '')
}
