/**
 * A client that reads the server's OpenAPI documents and asks for everything in them, with bodies from right to hostile.
 * Whatever it sends: an answer below 500, soon, with a Status where it is an error; nothing without credentials; and what was
 * accepted comes back as it was and can be written again. A short run by default; a long one:
 *
 *     MINICUBE_FUZZ_REQUESTS=100000 MINICUBE_FUZZ_SEED=7 node --test test/fuzz/apiFuzz.test.ts
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDefinition } from './customResource.ts'
import { protobufOf } from './damagedProtobuf.ts'
import { readOperations } from './operations.ts'
import type { Operation } from './operations.ts'
import { Random } from './random.ts'
import { SEEDS } from './seeds.ts'
import { startFuzzedServer } from './server.ts'
import type { Answer, FuzzedServer, Request } from './server.ts'
import { HOSTILE_NAMES, NAMES, mutated, queryOf, valueOf } from './values.ts'

const REQUESTS = Number(process.env['MINICUBE_FUZZ_REQUESTS'] ?? 4_000)
const SEED = Number(process.env['MINICUBE_FUZZ_SEED'] ?? 1)
const IN_FLIGHT = 16
const CORPUS_PER_KIND = 12
const MEMORY_LIMIT_BYTES = 1536 * 2 ** 20
const FAILURES_SHOWN = 10

/** What these accept changes how the server treats later requests, or makes it call somewhere: only tried. */
const ONLY_TRIED = /^(admissionregistration\.k8s\.io|flowcontrol\.apiserver\.k8s\.io|apiregistration\.k8s\.io)\//
const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]
const ACCEPTS = ['application/json', 'application/yaml', PROTOBUF, 'application/json;as=Table;v=v1;g=meta.k8s.io', 'text/html', '*/*']

/** Upstream answers these above 499, and so do we: its storage, its binding check and its patch reader speak without a status code. */
const UPSTREAMS_5XX = [
  'resourceVersion should not be set on objects to be created',
  'resourceVersion: Invalid value: ',
  'target.name: Required value',
  'target.kind: Unsupported value',
  'failed to create typed patch object',
  'failed to convert new object',
  'Timeout: Too large resource version: ',
  'strconv.ParseUint: parsing ',
  'does not contain declared merge key: ',
  'list element types are not identical: ',
  'an element that omits all key fields ',
  // A custom resource without its spec's replicas has no scale.
  'the spec replicas field ',
]

/** What upstream's roles let anybody read. */
const PUBLIC = new Set(['/version/'])

type Body = Record<string, unknown>

class Corpus {
  readonly #bodies = new Map<string, unknown[]>(Object.entries(SEEDS).map(([kind, body]) => [kind, [body]]))

  of(kind: string, random: Random): unknown {
    const known = this.#bodies.get(kind)
    return known && random.of(known)
  }

  keep(kind: string, body: unknown, random: Random): void {
    const known = this.#bodies.get(kind) ?? []
    if (known.length < CORPUS_PER_KIND) known.push(body)
    else known[random.below(CORPUS_PER_KIND)] = body
    this.#bodies.set(kind, known)
  }
}

const kindOf = ({ kind }: Operation): string => (kind ? `${kind.group}/${kind.version}/${kind.kind}` : '')

function bodyOf(operation: Operation, corpus: Corpus, random: Random): unknown {
  const known = corpus.of(kindOf(operation), random)
  const body =
    known !== undefined && random.chance(0.6) ? mutated(known, random) : operation.body && valueOf(operation.body, operation, random)
  if (typeof body !== 'object' || body === null || Array.isArray(body) || random.chance(0.03)) return body
  const { kind, version, group } = operation.kind ?? {}
  const metadata = (body as Body)['metadata']
  return {
    ...body,
    ...(kind && { apiVersion: group ? `${group}/${version}` : version, kind }),
    ...(random.chance(0.8) && typeof metadata === 'object' && { metadata: { ...metadata, name: random.of(NAMES) } }),
  }
}

function patchOf(type: string, body: unknown, random: Random): unknown {
  if (type !== 'application/json-patch+json') return body
  const paths = [
    '/metadata/labels',
    '/spec',
    '/metadata/annotations/a',
    '/spec/replicas',
    '/metadata/name',
    '',
    '/-',
    '/a~2',
    '/__proto__/x',
  ]
  const operations = ['add', 'remove', 'replace', 'test', 'move', 'copy', 'grow']
  return Array.from({ length: 1 + random.below(3) }, () => ({
    op: random.of(operations),
    path: random.of(paths),
    from: random.of(paths),
    value: mutated(body, random),
  }))
}

function requestOf(operation: Operation, corpus: Corpus, random: Random): Request & { sent?: unknown } {
  const isOnlyTried = ONLY_TRIED.test(kindOf(operation))
  const name = (): string => random.of(random.chance(0.93) ? NAMES : HOSTILE_NAMES)
  const path = operation.path.replace('{namespace}', () => (random.chance(0.8) ? 'default' : name())).replaceAll(/\{\w+\}/g, name)
  let query = queryOf(operation, random)
  if (isOnlyTried && operation.method !== 'GET') query = '?dryRun=All&fieldManager=fuzz'
  const headers: Record<string, string> = { accept: random.chance(0.7) ? 'application/json' : random.of(ACCEPTS) }
  if (operation.method === 'GET') return { method: 'GET', path: path + query, headers }
  const type = operation.method === 'PATCH' ? random.of(PATCH_TYPES) : 'application/json'
  if (type === 'application/apply-patch+yaml' && !query.includes('fieldManager')) query += `${query ? '&' : '?'}fieldManager=fuzz`
  headers['content-type'] = random.chance(0.98)
    ? type
    : random.of(['text/plain', 'application/yaml', 'application/vnd.kubernetes.protobuf', ''])
  const plain = bodyOf(operation, corpus, random)
  const protobuf = operation.method !== 'PATCH' && random.chance(0.05) ? protobufOf(operation.kind, plain, random) : undefined
  if (protobuf) {
    headers['content-type'] = PROTOBUF
    return { method: operation.method, path: path + query, headers, body: protobuf, sent: plain }
  }
  const sent = operation.method === 'PATCH' ? patchOf(type, plain, random) : plain
  const text = JSON.stringify(sent) ?? ''
  const body = random.chance(0.99) ? text : text.slice(0, random.below(text.length + 1))
  return { method: operation.method, path: path + query, headers, body, sent }
}

/** What is wrong with an answer. */
function complaintOf({ status, contentType, body }: Answer): string | undefined {
  if (status < 200 || (status >= 500 && !UPSTREAMS_5XX.some((known) => body.includes(known)))) return `answered ${status}`
  if (status < 400 || !contentType.includes('json')) return undefined
  const parsed = JSON.parse(body.toString()) as { kind?: unknown; code?: unknown; status?: unknown; message?: unknown }
  const isStatus = parsed.kind === 'Status' && parsed.status === 'Failure' && parsed.code === status && typeof parsed.message === 'string'
  return isStatus ? undefined : `an error ${status} that is no Status`
}

const withoutVolatile = (object: Body): unknown => {
  const { managedFields: _fields, resourceVersion: _version, ...metadata } = object['metadata'] as Body
  return { ...object, metadata }
}

/** An accepted object can be read, and written back without a change. */
async function assertSurvives(server: FuzzedServer, request: Request, answer: Answer): Promise<void> {
  const created = JSON.parse(answer.body.toString()) as Body
  const { name, generateName } = created['metadata'] as { name?: string; generateName?: string }
  // Defaults that come of the name are not there yet when it is made up, as upstream has it.
  if (generateName) return
  const path = `${request.path.split('?')[0]}/${encodeURIComponent(name ?? '')}`
  const read = await server.ask({ method: 'GET', path })
  // Deleted or changed by another request or a controller meanwhile.
  if (read.status === 404) return
  assert.equal(read.status, 200, `GET ${path}: ${read.body.toString()}`)
  const found = JSON.parse(read.body.toString()) as Body
  const metadata = (object: Body): Body => object['metadata'] as Body
  if (metadata(found)['resourceVersion'] !== metadata(created)['resourceVersion']) return
  assert.deepEqual(withoutVolatile(found), withoutVolatile(created))
  const put = await server.ask({ method: 'PUT', path, headers: { 'content-type': 'application/json' }, body: read.body.toString() })
  if (put.status === 409 || put.status === 404 || put.status === 405) return
  assert.equal(put.status, 200, `PUT of what ${path} answered: ${put.body.toString()}`)
  assert.deepEqual(withoutVolatile(JSON.parse(put.body.toString()) as Body), withoutVolatile(found))
}

test(`${REQUESTS} requests from the server's own OpenAPI (seed ${SEED})`, async () => {
  const server = await startFuzzedServer()
  const random = new Random(SEED)
  const corpus = new Corpus()
  const failures: string[] = []
  const statuses = new Map<number, number>()
  try {
    await createDefinition(server)
    const operations = await readOperations(async (path) => JSON.parse((await server.ask({ method: 'GET', path })).body.toString()))
    assert.ok(
      operations.some(({ path }) => path.includes('/fuzz.example.com/')),
      'custom resources are among them',
    )
    assert.ok(operations.length > 500, `the documents name ${operations.length} operations`)
    const readable = new Set(operations.filter(({ method }) => method === 'GET').map(({ path }) => path))
    let left = REQUESTS
    const one = async (): Promise<void> => {
      const operation = random.of(operations)
      const { sent, ...request } = requestOf(operation, corpus, random)
      const isAnonymous = random.chance(0.02)
      try {
        const answer = await server.ask(request, { anonymous: isAnonymous })
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        const complaint = complaintOf(answer)
        if (complaint) throw new Error(`${complaint}: ${answer.body.toString().slice(0, 600)}`)
        if (isAnonymous && !PUBLIC.has(operation.path))
          assert.ok(answer.status === 401 || answer.status === 403 || answer.status === 400, `anonymous: ${answer.status}`)
        else if (answer.status === 201 && request.headers?.['accept'] === 'application/json' && !request.path.includes('dryRun')) {
          corpus.keep(kindOf(operation), sent, random)
          if (readable.has(`${operation.path}/{name}`)) await assertSurvives(server, request, answer)
        }
      } catch (error) {
        failures.push(
          `${request.method} ${request.path} ${JSON.stringify(request.headers)}\n${request.body?.toString('latin1').slice(0, 1_500) ?? ''}\n→ ${String(error)}`,
        )
      }
    }
    const worker = async (): Promise<void> => {
      while (left-- > 0 && failures.length < FAILURES_SHOWN && !server.death()) await one()
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
    assert.equal(server.death(), undefined, 'the server is alive')
    if (failures.length > 0) assert.fail(failures.join('\n\n'))
    assert.equal((await server.ask({ method: 'GET', path: '/readyz' })).status, 200)
    assert.ok(server.residentBytes() < MEMORY_LIMIT_BYTES, `the server holds ${Math.round(server.residentBytes() / 2 ** 20)} MiB`)
    const accepted = (statuses.get(201) ?? 0) + (statuses.get(200) ?? 0)
    assert.ok(accepted > REQUESTS / 20, `only ${accepted} requests were accepted: the fuzzer does not get past the first rule`)
    console.log(
      [...statuses]
        .sort(([a], [b]) => a - b)
        .map(([status, count]) => `${status}: ${count}`)
        .join('  '),
    )
  } finally {
    await server.stop()
  }
})
