/** Everything that Kubernetes' expressions can call, and the types they can name. */
import { ADDRESSES } from './addresses.ts'
import { ARITHMETIC } from './arithmetic.ts'
import { AUTHORIZATION } from './authorization.ts'
import { LISTS } from './lists.ts'
import { NAMED_FORMATS } from './formats.ts'
import { OPTIONALS } from './optionals.ts'
import { QUANTITIES } from './quantities.ts'
import { REGEX } from './regex.ts'
import { SEMVER } from './semver.ts'
import { STANDARD, TYPE_NAMES } from './standard.ts'
import { PATCHES, STRINGS } from './strings.ts'
import { TIME } from './time.ts'
import { URLS } from './urls.ts'
import { functionsOf } from '../overloads.ts'
import { parseType, typeOf } from '../types.ts'
import type { Functions } from '../overloads.ts'
import type { Type } from '../types.ts'

const TABLES = [
  STANDARD,
  ARITHMETIC,
  TIME,
  OPTIONALS,
  STRINGS,
  LISTS,
  REGEX,
  URLS,
  QUANTITIES,
  ADDRESSES,
  NAMED_FORMATS,
  SEMVER,
  AUTHORIZATION,
]

export const FUNCTIONS: Functions = functionsOf(...TABLES)

/** With what only mutating policies have. */
export const FUNCTIONS_WITH_PATCHES: Functions = functionsOf(...TABLES, PATCHES)

const OPAQUE_NAMES = ['net.IP', 'net.CIDR', 'optional_type']

const NOTATIONS: Readonly<Record<string, string>> = {
  'google.protobuf.Timestamp': 'timestamp',
  'google.protobuf.Duration': 'duration',
  list: 'list(A)',
  map: 'map(A, B)',
}

export const LIBRARY_TYPES: ReadonlyMap<string, Type> = new Map(
  [...TYPE_NAMES, ...OPAQUE_NAMES].map((name) => [name, typeOf(parseType(NOTATIONS[name] ?? name))]),
)
