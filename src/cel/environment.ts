/** What an environment declares, in the form the checker asks for: made once for each. */
import { FUNCTIONS, FUNCTIONS_WITH_PATCHES, LIBRARY_TYPES } from './library/all.ts'
import { MACROS, MACROS_WITH_BINDINGS } from './macros.ts'
import { fieldNameOf } from './escaping.ts'
import { DYN, isOptional, toType, typeOf, unwrapOptional } from './types.ts'
import type { CelType, Environment } from './program.ts'
import type { Declarations } from './checker.ts'
import type { Macros } from './macros.ts'
import type { Type } from './types.ts'

interface Declared {
  /** Those of the environment, and those that come with its libraries. */
  variables: Readonly<Record<string, CelType>>
  declarations: Declarations
  macros: Macros
}

/** `Object.spec.template` is the type of what stands there in an object: any field, of any type. */
const isPatchedObject = (name: string): boolean => name === 'Object' || name.startsWith('Object.')

const STRING: CelType = { kind: 'string' }
const JSON_PATCH: CelType = {
  kind: 'object',
  name: 'JSONPatch',
  fields: new Map<string, CelType>([
    ['op', STRING],
    ['path', STRING],
    ['from', STRING],
    ['value', { kind: 'dyn' }],
  ]),
}

function patchType(name: string): Type | undefined {
  if (name === 'JSONPatch') return typeOf(toType(JSON_PATCH))
  return isPatchedObject(name) ? typeOf({ kind: 'object', name, params: [], weight: 1 }) : undefined
}

const fields = new WeakMap<CelType, ReadonlyMap<string, CelType>>()

/** The fields of an object type by the names that expressions use. */
export function fieldsOf(type: Extract<CelType, { kind: 'object' }>): ReadonlyMap<string, CelType> {
  let known = fields.get(type)
  if (known) return known
  known = new Map(
    [...type.fields].flatMap(([property, field]) => {
      const name = fieldNameOf(type, property)
      return name === undefined ? [] : [[name, field] as const]
    }),
  )
  fields.set(type, known)
  return known
}

function fieldOf(type: Type, field: string): Type | undefined {
  if (isPatchedObject(type.name)) return DYN
  if (type.declared?.kind !== 'object') return undefined
  const known = fieldsOf(type.declared)
  const found = known.get(field) ?? known.get(`__${field}__`)
  return found && toType(found)
}

const AUTHORIZER_VARIABLES: Readonly<Record<string, CelType>> = {
  authorizer: { kind: 'opaque', name: 'kubernetes.authorization.Authorizer' },
  'authorizer.requestResource': { kind: 'opaque', name: 'kubernetes.authorization.ResourceCheck' },
}

function declare({ variables: own, constructible, hasAuthorizer, hasBindings, hasPatchTypes }: Environment): Declared {
  const variables = hasAuthorizer ? { ...AUTHORIZER_VARIABLES, ...own } : own
  const idents = new Map(LIBRARY_TYPES)
  for (const [name, type] of constructible ?? []) idents.set(name, typeOf(toType(type)))
  for (const [name, type] of Object.entries(variables)) idents.set(name, toType(type))
  const lookup = (name: string): Type | undefined => idents.get(name) ?? (hasPatchTypes ? patchType(name) : undefined)
  const functions = hasPatchTypes ? FUNCTIONS_WITH_PATCHES : FUNCTIONS
  return { variables, declarations: { functions, lookup, fieldOf }, macros: hasBindings ? MACROS_WITH_BINDINGS : MACROS }
}

const known = new WeakMap<Environment, Declared>()

export function declarationsOf(environment: Environment): Declared {
  let declared = known.get(environment)
  if (!declared) known.set(environment, (declared = declare(environment)))
  return declared
}

/** The type as the room's interface has it. */
export function celTypeOf(type: Type): CelType {
  if (type.declared) return type.declared
  switch (type.kind) {
    case 'list':
      return { kind: 'list', of: celTypeOf(type.params[0] ?? DYN) }
    case 'map':
      return { kind: 'map', key: celTypeOf(type.params[0] ?? DYN), of: celTypeOf(type.params[1] ?? DYN) }
    case 'opaque':
      return isOptional(type) ? { kind: 'optional', of: celTypeOf(unwrapOptional(type)) } : { kind: 'opaque', name: type.name }
    case 'object':
      return { kind: 'object', name: type.name, fields: new Map() }
    case 'optional':
    case 'param':
    case 'error':
      return { kind: 'dyn' }
    default:
      return { kind: type.kind }
  }
}
