/** Everything that Kubernetes' expressions can call, and the types they can name. */
import { ARITHMETIC } from './arithmetic.ts'
import { OPTIONALS } from './optionals.ts'
import { STANDARD, TYPE_NAMES } from './standard.ts'
import { TIME } from './time.ts'
import { functionsOf } from '../overloads.ts'
import { parseType, typeOf } from '../types.ts'
import type { Functions } from '../overloads.ts'
import type { Type } from '../types.ts'

export const FUNCTIONS: Functions = functionsOf(STANDARD, ARITHMETIC, TIME, OPTIONALS)

const NOTATIONS: Readonly<Record<string, string>> = {
  'google.protobuf.Timestamp': 'timestamp',
  'google.protobuf.Duration': 'duration',
  list: 'list(dyn)',
  map: 'map(dyn, dyn)',
}

export const LIBRARY_TYPES: ReadonlyMap<string, Type> = new Map(
  TYPE_NAMES.map((name) => [name, typeOf(parseType(NOTATIONS[name] ?? name))]),
)
