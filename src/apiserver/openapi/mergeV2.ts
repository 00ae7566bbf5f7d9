/** OpenAPI version 2 documents of several servers made one, and one of them made version 3. Pure. */
import { deepEqual } from '../../api/meta.ts'
import type { JsonObject, JsonValue } from '../../api/resource.ts'

const V2_PREFIX = '#/definitions/'
const V3_PREFIX = '#/components/schemas/'

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
}

/** The same document with its references changed. */
function withReferences(value: JsonValue, change: (reference: string) => string): JsonValue {
  if (Array.isArray(value)) return value.map((item) => withReferences(item, change))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      key === '$ref' && typeof member === 'string' ? change(member) : withReferences(member as JsonValue, change),
    ]),
  )
}

/** The definitions that something refers to, and those that they refer to. */
function referredFrom(value: JsonValue, definitions: JsonObject): Set<string> {
  const found = new Set<string>()
  const follow = (each: JsonValue): void => {
    withReferences(each, (reference) => {
      const name = reference.startsWith(V2_PREFIX) ? reference.slice(V2_PREFIX.length) : ''
      if (name && !found.has(name) && definitions[name] !== undefined) {
        found.add(name)
        follow(definitions[name])
      }
      return reference
    })
  }
  follow(value)
  return found
}

/** Of a version 2 document: the paths below `prefix`, and what they refer to. */
export function schemasOf(document: JsonObject, prefix: string): JsonObject {
  const all = objectOf(document['definitions'])
  const paths = Object.fromEntries(Object.entries(objectOf(document['paths'])).filter(([path]) => path.startsWith(prefix)))
  const wanted = referredFrom(paths, all)
  const definitions = Object.fromEntries(Object.entries(all).filter(([name]) => wanted.has(name)))
  return { ...document, paths, definitions }
}

/**
 * Adds the paths and definitions of others to a document. A definition that is there with another content gets a name of
 * its own (`…_v2`), and its references follow it.
 */
export function mergeV2(own: JsonObject, others: readonly JsonObject[]): JsonObject {
  const paths: JsonObject = { ...objectOf(own['paths']) }
  const definitions: JsonObject = { ...objectOf(own['definitions']) }
  for (const other of others) {
    const renamed = new Map<string, string>()
    const theirs = objectOf(other['definitions'])
    for (const [name, definition] of Object.entries(theirs)) {
      if (definitions[name] === undefined || deepEqual(definitions[name], definition)) continue
      let n = 2
      while (definitions[`${name}_v${n}`] !== undefined || theirs[`${name}_v${n}`] !== undefined) n++
      renamed.set(V2_PREFIX + name, `${V2_PREFIX}${name}_v${n}`)
    }
    const follow = (value: JsonValue): JsonValue => withReferences(value, (reference) => renamed.get(reference) ?? reference)
    for (const [name, definition] of Object.entries(theirs)) {
      definitions[(renamed.get(V2_PREFIX + name) ?? V2_PREFIX + name).slice(V2_PREFIX.length)] = follow(definition as JsonValue)
    }
    for (const [path, item] of Object.entries(objectOf(other['paths']))) paths[path] ??= follow(item as JsonValue)
  }
  const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1)
  return {
    ...own,
    paths: Object.fromEntries(Object.entries(paths).sort(byName)),
    definitions: Object.fromEntries(Object.entries(definitions).sort(byName)),
  }
}

function parameterV3(parameter: JsonObject): JsonObject {
  const { type, format, uniqueItems, items, ...rest } = parameter
  const schema: JsonObject = {
    ...(type !== undefined && { type }),
    ...(format !== undefined && { format }),
    ...(uniqueItems !== undefined && { uniqueItems }),
    ...(items !== undefined && { items }),
  }
  return { ...rest, schema }
}

function operationV3(operation: JsonObject): JsonObject {
  const { consumes, produces, schemes: _schemes, parameters, responses, ...rest } = operation
  const all = (parameters as JsonObject[] | undefined) ?? []
  const body = all.find((parameter) => parameter['in'] === 'body')
  const others = all.filter((parameter) => parameter !== body).map(parameterV3)
  const content = (types: JsonValue | undefined, schema: JsonValue): JsonObject =>
    Object.fromEntries(((types as string[] | undefined) ?? ['application/json']).map((type) => [type, { schema }]))
  const answers = Object.entries(objectOf(responses)).map(([code, response]) => {
    const { schema, ...more } = objectOf(response)
    return [code, { ...more, ...(schema !== undefined && { content: content(produces, schema) }) }]
  })
  return {
    ...rest,
    ...(others.length > 0 && { parameters: others }),
    ...(body && {
      requestBody: { content: content(consumes, body['schema'] ?? {}), ...(body['required'] === true && { required: true }) },
    }),
    responses: Object.fromEntries(answers) as JsonObject,
  }
}

/** A version 2 document as version 3, for servers that know no other. */
export function v3OfV2(document: JsonObject): JsonObject {
  const paths = Object.entries(objectOf(document['paths'])).map(([path, item]) => {
    const members = Object.entries(objectOf(item)).map(([key, member]) => [
      key,
      key === 'parameters' ? ((member as JsonObject[] | undefined) ?? []).map(parameterV3) : operationV3(objectOf(member)),
    ])
    return [path, Object.fromEntries(members) as JsonObject]
  })
  const converted: JsonObject = {
    openapi: '3.0.0',
    info: document['info'] ?? {},
    paths: Object.fromEntries(paths) as JsonObject,
    components: { schemas: document['definitions'] ?? {} },
  }
  return withReferences(converted, (reference) => reference.replace(V2_PREFIX, V3_PREFIX)) as JsonObject
}
