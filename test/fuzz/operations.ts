/** What a client can ask of the server, read from the OpenAPI v3 documents that the server itself publishes. */

export interface Schema {
  $ref?: string
  allOf?: readonly Schema[]
  oneOf?: readonly Schema[]
  type?: string
  format?: string
  properties?: Readonly<Record<string, Schema>>
  additionalProperties?: Schema | boolean
  items?: Schema
  required?: readonly string[]
  enum?: readonly unknown[]
  'x-kubernetes-int-or-string'?: boolean
}

interface Parameter {
  in: string
  name: string
  schema?: Schema
}

interface Described {
  parameters?: readonly Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  'x-kubernetes-action'?: string
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }
}

interface OpenApiDocument {
  paths?: Record<string, Record<string, Described | readonly Parameter[]>>
  components?: { schemas?: Record<string, Schema> }
}

export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `{namespace}`, `{name}` still in it. */
  path: string
  query: readonly string[]
  body?: Schema
  kind?: { group: string; version: string; kind: string }
  /** Where `$ref`s of the body lead. */
  schemas: Readonly<Record<string, Schema>>
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
/** These lead to kubelets and pods, or never end: not the API server's own answers. */
const ELSEWHERE = /\/(proxy|exec|attach|portforward|log)(\/|$)|\/watch\//

/** `read` gets the JSON document at a path of the server. */
export async function readOperations(read: (path: string) => Promise<unknown>): Promise<Operation[]> {
  const index = (await read('/openapi/v3')) as { paths: Record<string, { serverRelativeURL: string }> }
  const found: Operation[] = []
  for (const { serverRelativeURL } of Object.values(index.paths))
    found.push(...operationsOf((await read(serverRelativeURL)) as OpenApiDocument))
  return found
}

function operationsOf({ paths = {}, components }: OpenApiDocument): Operation[] {
  const schemas = components?.schemas ?? {}
  return Object.entries(paths).flatMap(([path, item]) => {
    if (ELSEWHERE.test(path)) return []
    const shared = (item['parameters'] ?? []) as readonly Parameter[]
    return METHODS.flatMap((method): Operation[] => {
      const described = item[method] as Described | undefined
      if (!described) return []
      const parameters = [...shared, ...(described.parameters ?? [])]
      const body = Object.values(described.requestBody?.content ?? {})[0]?.schema
      const kind = described['x-kubernetes-group-version-kind']
      return [
        {
          method: method.toUpperCase() as Operation['method'],
          path,
          query: parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
          ...(body && { body }),
          ...(kind && { kind }),
          schemas,
        },
      ]
    })
  })
}

/** The schema behind references and single-element `allOf`s. */
export function resolved(schema: Schema, schemas: Readonly<Record<string, Schema>>): Schema {
  let at = schema
  for (;;) {
    const inner = at.allOf?.length === 1 ? at.allOf[0] : at.$ref ? schemas[at.$ref.slice(at.$ref.lastIndexOf('/') + 1)] : undefined
    if (!inner) return at
    at = inner
  }
}
