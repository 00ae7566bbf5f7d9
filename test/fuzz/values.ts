/**
 * Values for a schema: mostly of the right type and near what a kind accepts, sometimes what no client should send. What is
 * hostile is a table, so that a new idea is a new line.
 */
import type { Random } from './random.ts'
import { resolved } from './operations.ts'
import type { Operation, Schema } from './operations.ts'

type Json = unknown

/** Deeper than any field that a kind has, and short enough that recursive schemas end. */
const DEPTH_LIMIT = 9

const HOSTILE: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  -0,
  2 ** 53,
  2 ** 31,
  2 ** 63,
  -(2 ** 63),
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\u202e',
  '🚢'.repeat(80),
  'x'.repeat(300),
  'a'.repeat(70_000),
  '../../etc/passwd',
  '..',
  '%2e%2e%2f',
  '{{.}}',
  '$(NAME)',
  '__proto__',
  'constructor',
  '1Ei',
  '99999999999999999999999999999',
  '1e999999',
  '-1m',
  '2026-02-30T25:61:61Z',
  '1969-12-31T23:59:59.999999999Z',
  [],
  {},
  [null],
  [[[[]]]],
  { __proto__: null, a: null },
  JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {}}}'),
]

const WORDS = [
  'a',
  'web',
  'default',
  'kube-system',
  'fuzz',
  'fuzz-1',
  'fuzz-2',
  'x.example.com',
  'kubernetes.io/tls',
  'A_b.c',
  'app',
  'v1',
  '*',
]

/** What fields of these names accept, so that requests get past the first rule. */
const KNOWN: Readonly<Record<string, readonly Json[]>> = {
  apiGroup: ['', 'apps', 'rbac.authorization.k8s.io'],
  cpu: ['100m', '1', 2, '0.5'],
  effect: ['NoSchedule', 'NoExecute', 'PreferNoSchedule'],
  image: ['busybox', 'registry.example.com/a/b:c'],
  imagePullPolicy: ['Always', 'IfNotPresent', 'Never'],
  ip: ['127.0.0.1', '10.0.0.1', 'fd00::1', '300.1.1.1'],
  memory: ['64Mi', '1Gi', 1024],
  mountPath: ['/data', '/etc/x', 'relative/..'],
  operator: ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Equal'],
  path: ['/', '/healthz', 'a/b', '../up'],
  policyTypes: [['Ingress'], ['Ingress', 'Egress']],
  port: [80, 443, 'http', 65_536, 0],
  protocol: ['TCP', 'UDP', 'SCTP', 'HTTP'],
  resourceVersion: ['', '1', '999999999', 'abc'],
  restartPolicy: ['Always', 'Never', 'OnFailure'],
  schedule: ['*/5 * * * *', '@hourly', '61 * * * *'],
  topologyKey: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'],
  type: ['ClusterIP', 'NodePort', 'RollingUpdate', 'Recreate', 'Opaque', 'Utilization', 'Ready', 'Container'],
  uid: ['0b1c2d3e-0000-4000-8000-000000000000', 'x'],
  whenUnsatisfiable: ['DoNotSchedule', 'ScheduleAnyway'],
}

/** The server would call there: only this machine's own closed port. */
const CALLED: Readonly<Record<string, Json>> = { url: 'https://127.0.0.1:1/closed', externalName: 'localhost' }

export function valueOf(schema: Schema, operation: Operation, random: Random, field = '', depth = 0): Json {
  if (field in CALLED) return CALLED[field]
  if (random.chance(0.012)) return random.of(HOSTILE)
  const known = KNOWN[field]
  if (known && random.chance(0.85)) return random.of(known)
  const at = resolved(schema, operation.schemas)
  if (at.enum && random.chance(0.9)) return random.of(at.enum)
  if (at.oneOf) return valueOf(random.of(at.oneOf), operation, random, field, depth)
  if (at['x-kubernetes-int-or-string']) return random.of([80, 'http', '25%', '-1'])
  if (at.type === 'object' || at.properties) return objectOf(at, operation, random, depth)
  if (at.type === 'array') return arrayOf(at, operation, random, field, depth)
  return scalarOf(at, random)
}

function objectOf(schema: Schema, operation: Operation, random: Random, depth: number): Json {
  const object: Record<string, Json> = {}
  const required = new Set(schema.required)
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const wanted = required.has(name) ? 0.97 : Math.max(0.04, 0.35 - depth * 0.04)
    if (depth < DEPTH_LIMIT && random.chance(wanted)) object[name] = valueOf(property, operation, random, name, depth + 1)
  }
  const { additionalProperties: additional } = schema
  const entries = additional && depth < DEPTH_LIMIT ? random.below(3) : 0
  for (let i = 0; i < entries; i++) {
    const key = random.chance(0.95) ? random.of([...WORDS, 'cpu', 'memory']) : random.of(['__proto__', '', 'x'.repeat(300), '../..'])
    const value = typeof additional === 'object' ? valueOf(additional, operation, random, key, depth + 1) : random.of(HOSTILE)
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  }
  if (random.chance(0.01)) object['unknownField'] = random.of(HOSTILE)
  return object
}

function arrayOf(schema: Schema, operation: Operation, random: Random, field: string, depth: number): Json {
  if (depth >= DEPTH_LIMIT || !schema.items) return []
  const count = random.chance(0.01) ? 200 : random.of([0, 1, 1, 1, 2, 3])
  const { items } = schema
  return Array.from({ length: count }, () => valueOf(items, operation, random, field, depth + 1))
}

function scalarOf({ type, format }: Schema, random: Random): Json {
  if (type === 'boolean') return random.chance(0.5)
  if (type === 'integer') return random.of([0, 1, 2, 5, 30, 80, 100, 65_535, -1, 2_147_483_647])
  if (type === 'number') return random.of([0, 1, 0.5, 100])
  if (format === 'date-time') return random.of(['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000006Z'])
  if (format === 'byte') return random.of(['aGVsbG8=', '', '!!!'])
  return random.of(WORDS)
}

/** The same object with one thing changed somewhere in it. */
export function mutated(value: Json, random: Random): Json {
  if (typeof value !== 'object' || value === null || random.chance(0.15)) return random.of(HOSTILE)
  if (Array.isArray(value)) {
    if (value.length === 0 || random.chance(0.3)) return [...value, random.of([...value, ...HOSTILE])]
    const at = random.below(value.length)
    return random.chance(0.2) ? value.toSpliced(at, 1) : value.with(at, mutated(value[at], random))
  }
  const entries = Object.entries(value)
  if (entries.length === 0) return { [random.of(WORDS)]: random.of(HOSTILE) }
  const [name, inner] = random.of(entries)
  if (name in CALLED) return value
  const rest = entries.filter(([other]) => other !== name)
  return Object.fromEntries(random.chance(0.15) ? rest : [...rest, [name, mutated(inner, random)]])
}

const QUERY: Readonly<Record<string, readonly string[]>> = {
  allowWatchBookmarks: ['true', 'maybe'],
  continue: ['abc', 'eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0', ''],
  dryRun: ['All', 'None', ''],
  fieldManager: ['fuzz', 'x'.repeat(200), '\u0007'],
  fieldSelector: ['metadata.name=fuzz', 'status.phase!=Running', '=', 'a=b=c', 'metadata.namespace=x,,'],
  fieldValidation: ['Strict', 'Warn', 'Ignore', 'Loose'],
  force: ['true', 'false', 'x'],
  gracePeriodSeconds: ['0', '-1', '99999999999999999999', 'x'],
  ignoreStoreReadErrorWithClusterBreakingPotential: ['true', 'x'],
  labelSelector: ['app=web', 'a in (b,c)', '!a', 'a in (', '=', 'x'.repeat(400)],
  limit: ['1', '0', '-5', '99999999999999999999', 'x'],
  orphanDependents: ['true', 'x'],
  pretty: ['true', 'x'],
  propagationPolicy: ['Foreground', 'Background', 'Orphan', 'Sideways'],
  resourceVersion: ['0', '1', '-1', '999999999999', 'abc', ''],
  resourceVersionMatch: ['Exact', 'NotOlderThan', 'Sometimes'],
  sendInitialEvents: ['true', 'false', 'x'],
}

/** Watches are asked to end at once. */
export function queryOf(operation: Operation, random: Random): string {
  const query = new URLSearchParams()
  for (const name of operation.query) {
    if (random.chance(0.85)) continue
    if (name === 'watch') query.set('watch', random.of(['true', 'false', '1', 'x']))
    else if (name !== 'timeoutSeconds') query.set(name, random.of(QUERY[name] ?? ['true', 'x']))
  }
  if (query.has('watch')) query.set('timeoutSeconds', '1')
  return query.size > 0 ? `?${query.toString()}` : ''
}

export const NAMES: readonly string[] = ['fuzz', 'fuzz-1', 'fuzz-2', 'default', 'web']
export const HOSTILE_NAMES: readonly string[] = [
  '..',
  '%2e%2e',
  'a%2Fb',
  'UPPER',
  'x'.repeat(300),
  '%00',
  '%F0%9F%9A%A2',
  '__proto__',
  '-',
  '%',
]
