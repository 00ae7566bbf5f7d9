import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { StatusError } from '../../api/status.ts'
import type { JsonObject } from '../jsonValue.ts'
import { compare } from './compare.ts'
import { EMPTY, pathsOf } from './fieldSet.ts'
import { fieldSetOf } from './fieldSetOf.ts'
import { DEDUCED } from './typedValue.ts'
import { applyPatch, type Applied, type ApplyOptions } from './apply.ts'
import { mergeTyped } from './mergeTyped.ts'
import type { ObjectVersion } from './versions.ts'
import { customType, kindFields, sampleType, someSample, typeOf } from './testTypes.ts'
import { updateManagedFields } from './update.ts'

const startMs = Date.UTC(2026, 0, 1)

/** One stored object, and who did what to it; each step is a second later. */
class Stored {
  object: JsonObject
  readonly #empty: JsonObject
  #nowMs = startMs
  readonly #options: Pick<ApplyOptions, 'schema' | 'apiVersion' | 'versionOf' | 'resetFields'>

  constructor(options: Pick<ApplyOptions, 'schema' | 'apiVersion' | 'versionOf' | 'resetFields'>, kind: string) {
    this.#options = options
    this.object = { apiVersion: options.apiVersion, kind, metadata: { name: 'x' } }
    this.#empty = { apiVersion: options.apiVersion, kind }
  }

  apply(manager: string, content: JsonObject, more: Partial<ApplyOptions> = {}): Applied {
    const applied = { apiVersion: this.object['apiVersion'], kind: this.object['kind'], ...content }
    this.#nowMs += 1000
    const result = applyPatch({
      ...this.#options,
      live: this.object,
      empty: this.#empty,
      applied,
      manager,
      force: false,
      nowMs: this.#nowMs,
      ...more,
    })
    this.#store(result.object, result.managedFields)
    return result
  }

  update(manager: string, content: JsonObject, subresource?: string): void {
    const after = { ...this.object, ...content }
    this.#nowMs += 1000
    const before = (this.object['metadata'] as JsonObject)['uid'] ? this.object : this.#empty
    this.#store(after, updateManagedFields({ ...this.#options, before, after, manager, subresource, nowMs: this.#nowMs }))
  }

  #store(object: JsonObject, managedFields: unknown): void {
    this.object = { ...object, metadata: { ...(object['metadata'] as JsonObject), uid: 'u', managedFields } }
  }

  /** `m1 Apply: .data.a .data.b` */
  get owners(): string[] {
    const entries = ((this.object['metadata'] as JsonObject)['managedFields'] ?? []) as Applied['managedFields'] & object
    return entries.map(
      ({ manager, operation, subresource, fieldsV1 }) =>
        `${manager} ${operation}${subresource ? ` ${subresource}` : ''}: ${pathsOf(fieldsV1 as never).join(' ')}`,
    )
  }

  get times(): (number | undefined)[] {
    const entries = ((this.object['metadata'] as JsonObject)['managedFields'] ?? []) as { time?: string }[]
    return entries.map(({ time }) => (time ? (Date.parse(time) - startMs) / 1000 : undefined))
  }
}

const configMap = (): Stored => new Stored({ schema: typeOf('ConfigMap'), apiVersion: 'v1' }, 'ConfigMap')
const service = (): Stored => new Stored({ schema: typeOf('Service'), apiVersion: 'v1' }, 'Service')
const deployment = (): Stored => new Stored({ schema: typeOf('Deployment', 'apps'), apiVersion: 'apps/v1' }, 'Deployment')

function failure(action: () => unknown): StatusError {
  try {
    action()
  } catch (error) {
    if (error instanceof StatusError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('apply', () => {
  it('owns what it sets and takes out what it no longer sets', () => {
    const c = configMap()
    c.apply('m1', { data: { a: '1', b: '1' } })
    assert.deepEqual(c.owners, ['m1 Apply: .data.a .data.b'])
    c.apply('m1', { data: { a: '1' } })
    assert.deepEqual(c.object['data'], { a: '1' })
    c.apply('m1', {})
    assert.equal(c.object['data'], undefined)
    assert.deepEqual(c.owners, [])
  })

  it('leaves what another manager owns as well', () => {
    const c = configMap()
    c.apply('m1', { data: { a: '1', b: '1' } })
    c.apply('m2', { data: { b: '1' } })
    c.apply('m1', { data: { a: '1' } })
    assert.deepEqual(c.object['data'], { a: '1', b: '1' })
    c.apply('m2', { data: { x: '1' } })
    assert.deepEqual(c.object['data'], { a: '1', x: '1' })
    assert.deepEqual(c.owners, ['m1 Apply: .data.a', 'm2 Apply: .data.x'])
  })

  it('conflicts over values that others own, unless forced', () => {
    const c = configMap()
    c.apply('m1', { metadata: { labels: { l: '1' } }, data: { a: '1', b: '1', c: '1' } })
    const { status } = failure(() => c.apply('m2', { metadata: { labels: { l: '2' } }, data: { a: '2', b: '2', c: '1' } }))
    assert.equal(status.message, 'Apply failed with 3 conflicts: conflicts with "m1":\n- .data.a\n- .data.b\n- .metadata.labels.l')
    assert.deepEqual([status.code, status.reason], [409, 'Conflict'])
    assert.deepEqual(status.details?.causes?.[0], { reason: 'FieldManagerConflict', message: 'conflict with "m1"', field: '.data.a' })
    c.apply('m2', { data: { a: '2' } }, { force: true })
    assert.deepEqual(c.owners, ['m1 Apply: .data.b .data.c .metadata.labels.l', 'm2 Apply: .data.a'])
  })

  it('says by which version and subresource an updater owns a field', () => {
    const c = configMap()
    c.update('creator', { data: { a: '1' } })
    assert.deepEqual(c.owners, ['creator Update: .data .data.a'])
    assert.equal(
      failure(() => c.apply('m', { data: { a: '2' } })).message,
      'Apply failed with 1 conflict: conflict with "creator" using v1: .data.a',
    )
    c.apply('m', { data: { a: '2' } }, { force: true })
    assert.deepEqual(c.owners, ['m Apply: .data.a', 'creator Update: .data'])
    c.update('scaler', { data: { a: '3' } }, 'scale')
    assert.match(
      failure(() => c.apply('m', { data: { a: '2' } })).message,
      /conflict with "scaler" with subresource "scale" using v1: \.data\.a$/,
    )
  })

  it('merges lists by their keys, filling in keys that have defaults', () => {
    const s = service()
    s.apply('m1', {
      spec: {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 80, protocol: 'UDP' },
        ],
      },
    })
    s.apply('m2', { spec: { ports: [{ name: 'c', port: 81 }] } })
    assert.deepEqual((s.object['spec'] as JsonObject)['ports'], [
      { name: 'a', port: 80 },
      { name: 'b', port: 80, protocol: 'UDP' },
      { name: 'c', port: 81 },
    ])
    const conflict = failure(() => s.apply('m2', { spec: { ports: [{ name: 'renamed', port: 80 }] } }))
    assert.match(conflict.message, /: \.spec\.ports\[port=80,protocol="TCP"\]\.name$/)
    s.apply('m1', { spec: { ports: [{ name: 'a', port: 80 }] } })
    assert.deepEqual((s.object['spec'] as JsonObject)['ports'], [
      { name: 'a', port: 80 },
      { name: 'c', port: 81 },
    ])
  })

  it('owns atomic maps and lists as a whole', () => {
    const s = service()
    s.apply('m1', { spec: { selector: { a: '1', b: '1' } } })
    assert.deepEqual(s.owners, ['m1 Apply: .spec.selector'])
    assert.match(failure(() => s.apply('m2', { spec: { selector: { c: '1' } } })).message, /: \.spec\.selector$/)
    s.apply('m2', { spec: { selector: { c: '1' } } }, { force: true })
    assert.deepEqual((s.object['spec'] as JsonObject)['selector'], { c: '1' })
    assert.deepEqual(s.owners, ['m2 Apply: .spec.selector'])
  })

  it('owns items of sets one by one', () => {
    const c = configMap()
    c.apply('m1', { metadata: { finalizers: ['x/1'] } })
    c.apply('m2', { metadata: { finalizers: ['x/2'] } })
    assert.deepEqual((c.object['metadata'] as JsonObject)['finalizers'], ['x/1', 'x/2'])
    c.apply('m1', { metadata: { finalizers: [] } })
    assert.deepEqual((c.object['metadata'] as JsonObject)['finalizers'], ['x/2'])
    assert.deepEqual(c.owners, ['m2 Apply: .metadata.finalizers[="x/2"]'])
  })

  it('refuses configurations that do not fit the type', () => {
    const container = (more: JsonObject): JsonObject => ({ spec: { template: { spec: { containers: [{ name: 'one', ...more }] } } } })
    const said = (content: JsonObject): string => failure(() => deployment().apply('m', { metadata: { name: 'd' }, ...content })).message
    const subject = 'failed to create typed patch object (/d; apps/v1, Kind=Deployment)'
    const one = '.spec.template.spec.containers[name="one"]'
    assert.equal(said({ bogus: 1 }), `${subject}: .bogus: field not declared in schema`)
    assert.equal(said(container({ nope: true })), `${subject}: ${one}.nope: field not declared in schema`)
    assert.equal(
      said(container({ ports: [{ containerPort: 'eighty' }] })),
      `${subject}: ${one}.ports[containerPort="eighty",protocol="TCP"].containerPort: expected numeric (int or float), got string`,
    )
    assert.match(
      said({ spec: { template: { spec: { containers: [{ name: 'a' }, { name: 'a' }] } } } }),
      /duplicate entries for key \[name="a"\]$/,
    )
    assert.match(said(container({ image: 1 })), /expected string, got &value\.valueUnstructured\{Value:1\}$/)
    assert.equal(failure(() => deployment().apply('m', { metadata: { managedFields: [] } })).code, 400)
  })

  it('invents an owner for what was there before the first apply', () => {
    const c = configMap()
    c.object = { ...c.object, metadata: { name: 'x', uid: 'u' }, data: { a: '1' } }
    assert.equal(
      failure(() => c.apply('m', { data: { a: '2' } })).message,
      'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a',
    )
    c.apply('m', { data: { a: '1' } })
    assert.deepEqual(c.owners, ['m Apply: .data.a', 'before-first-apply Update: .data .data.a'])
  })

  it('stamps the time only when the object changes', () => {
    const c = configMap()
    c.apply('m1', { data: { a: '1' } })
    c.apply('m1', { data: { a: '1' } })
    c.apply('m2', { data: { a: '1' } })
    assert.deepEqual(c.times, [undefined, 1])
    c.apply('m1', { data: { a: '1', b: '1' } })
    assert.deepEqual(c.owners, ['m2 Apply: .data.a', 'm1 Apply: .data.a .data.b'])
    assert.deepEqual(c.times, [undefined, 4])
  })

  it('owns an empty map itself, and a null', () => {
    const c = configMap()
    c.apply('m1', { data: {} })
    assert.deepEqual(c.owners, ['m1 Apply: .data'])
    c.apply('m1', { data: { a: null } })
    assert.deepEqual(c.owners, ['m1 Apply: .data.a'])
  })

  it('lets kubectl take over from its own client-side apply', () => {
    const c = configMap()
    const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
    const lastApplied = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { a: '1' } })
    c.update('kubectl-client-side-apply', { metadata: { name: 'x', annotations: { [annotation]: lastApplied } }, data: { a: '1', b: '1' } })
    assert.match(failure(() => c.apply('kubectl', { data: { a: '2', b: '2' } })).message, /1 conflict: .* using v1: \.data\.b$/)
    assert.throws(() => c.apply('m', { data: { a: '2' } }), /1 conflict/)
    c.apply('kubectl', { metadata: { name: 'x' }, data: { a: '2' } })
    assert.deepEqual(c.object['data'], { a: '2', b: '1' })
    const { annotations } = c.object['metadata'] as { annotations: Record<string, string> }
    assert.deepEqual(JSON.parse(annotations[annotation] ?? ''), {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'x' },
      data: { a: '2' },
    })
  })

  it('takes a value without a declared type apart by what it is, on both sides', () => {
    const open = customType({ ...kindFields, any: DEDUCED })
    const entry = (fields: JsonObject): JsonObject => ({
      manager: 'm',
      apiVersion: 'g/v1',
      operation: 'Apply',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:any': fields },
    })
    const cases: [unknown, unknown, JsonObject, string[]][] = [
      [{ a: 1 }, 'text', { 'f:a': {} }, ['u Update: .any']],
      ['text', { a: 1 }, {}, ['u Update: .any .any.a']],
      [{ a: 1 }, [1], { 'f:a': {} }, ['u Update: .any']],
      [{ a: 1 }, null, { 'f:a': {} }, []],
      [{}, 'text', {}, ['u Update: .any']],
      [1, 1, {}, ['m Apply: .any']],
    ]
    for (const [before, after, owned, owners] of cases) {
      const s = new Stored({ schema: open, apiVersion: 'g/v1' }, 'K')
      s.object = { ...s.object, any: before, metadata: { uid: 'u', managedFields: [entry(owned)] } }
      s.update('u', { any: after })
      assert.deepEqual(s.owners, owners, JSON.stringify([before, after]))
    }
  })

  it('keeps what is there where a null meets a map', () => {
    const fields = { any: DEDUCED, map: { type: 'map', values: DEDUCED, atomic: false } } as const
    const merged = mergeTyped({ any: { a: 1 }, map: { a: 1 } }, { any: null, map: null }, customType(fields))
    assert.deepEqual(merged, { any: { a: 1 }, map: { a: 1 } })
  })

  it('sees managers at other versions through their version, and drops those of versions that are gone', () => {
    const v1 = customType({ ...kindFields, size: { type: 'int32' } })
    const v2 = customType({ length: { type: 'int32' } })
    const convert = (object: JsonObject): JsonObject => ({ length: object['size'] })
    const s = new Stored(
      { schema: v1, apiVersion: 'g/v1', versionOf: (version) => (version === 'g/v2' ? { type: v2, convert } : undefined) },
      'K',
    )
    const entry = (manager: string, apiVersion: string): JsonObject => ({
      manager,
      apiVersion,
      operation: 'Apply',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:length': {} },
    })
    s.object = { ...s.object, size: 1, metadata: { uid: 'u', managedFields: [entry('old', 'g/v0'), entry('other', 'g/v2')] } }
    assert.equal(failure(() => s.apply('m', { size: 2 })).message, 'Apply failed with 1 conflict: conflict with "other": .length')
    s.apply('m', { size: 1 })
    assert.deepEqual(s.owners, ['m Apply: .size', 'other Apply: .length'])
  })

  it('looks at the version that a manager applied before for what it no longer applies', () => {
    const v1 = customType({ ...kindFields, size: { type: 'int32' }, a: { type: 'string' } })
    const v2 = customType({ ...kindFields, length: { type: 'int32' }, a: { type: 'string' } })
    const renamed = ({ size, length, ...rest }: JsonObject, to: string, value = size ?? length): JsonObject =>
      value === undefined ? rest : { ...rest, [to]: value }
    const versionOf = (version: string): ObjectVersion => ({
      type: version === 'g/v1' ? v1 : v2,
      convert: (object) => renamed(object, version === 'g/v1' ? 'size' : 'length'),
    })
    const s = new Stored({ schema: v1, apiVersion: 'g/v1', versionOf }, 'K')
    const entry = (manager: string, fields: string[]): JsonObject => ({
      manager,
      apiVersion: 'g/v2',
      operation: 'Apply',
      fieldsType: 'FieldsV1',
      fieldsV1: Object.fromEntries(fields.map((name) => [`f:${name}`, {}])),
    })
    const start = { ...s.object, size: 1, a: '1' }
    s.object = { ...start, metadata: { uid: 'u', managedFields: [entry('m', ['length', 'a'])] } }
    s.apply('m', { a: '1' })
    assert.deepEqual([s.object['size'], s.owners], [undefined, ['m Apply: .a']])
    s.object = { ...start, metadata: { uid: 'u', managedFields: [entry('m', ['length', 'a']), entry('other', ['length'])] } }
    s.apply('m', { a: '1' })
    assert.deepEqual([s.object['size'], s.owners], [1, ['m Apply: .a', 'other Apply: .length']])
  })

  it('fails where an owner at another version cannot see the object; an update then forgets all owners', () => {
    const v1 = customType({ ...kindFields, a: { type: 'string' }, b: { type: 'string' } })
    const v2 = customType({ ...kindFields, a: { type: 'string' } })
    const versionOf = (): ObjectVersion => ({ type: v2, convert: (object) => object })
    const entry = { manager: 'o', apiVersion: 'g/v2', operation: 'Update', fieldsType: 'FieldsV1', fieldsV1: { 'f:a': {} } }
    const s = new Stored({ schema: v1, apiVersion: 'g/v1', versionOf }, 'K')
    s.object = { ...s.object, a: '1', metadata: { uid: 'u', managedFields: [entry] } }
    assert.equal(failure(() => s.apply('m', { b: '1' })).message, 'failed to convert new object: .b: field not declared in schema')
    s.object = { ...s.object, b: '1' }
    assert.equal(failure(() => s.apply('m', { b: '1' })).message, '.b: field not declared in schema')
    s.object = { ...s.object, b: undefined }
    s.update('u', { b: '1' })
    assert.deepEqual(s.owners, [])
  })
})

describe('apply obeys its laws', () => {
  const options = { schema: sampleType, apiVersion: 'g/v1', empty: {}, force: true, nowMs: startMs }

  it('a second apply of the same changes nothing', () => {
    fc.assert(
      fc.property(someSample, someSample, someSample, (live, other, applied) => {
        const inputs = structuredClone([live, applied])
        const before = applyPatch({ ...options, live, applied: other, manager: 'other' })
        const held = { ...before.object, metadata: { managedFields: before.managedFields } }
        const once = applyPatch({ ...options, live: held, applied, manager: 'm' })
        const again = { ...once.object, metadata: { managedFields: once.managedFields } }
        const twice = applyPatch({ ...options, live: again, applied, manager: 'm', nowMs: startMs + 5000 })
        assert.deepEqual(withoutMetadata(twice.object), withoutMetadata(once.object))
        assert.deepEqual(twice.managedFields, once.managedFields)
        assert.deepEqual([live, applied], inputs)
      }),
    )
  })

  it('the object has what was applied', () => {
    fc.assert(
      fc.property(someSample, someSample, someSample, (live, first, applied) => {
        const before = applyPatch({ ...options, live, applied: first, manager: 'm' })
        const { object } = applyPatch({
          ...options,
          live: { ...before.object, metadata: { managedFields: before.managedFields } },
          applied,
          manager: 'm',
        })
        const has = pathsOf(fieldSetOf(object, sampleType))
        for (const path of leavesOf(applied))
          assert.ok(
            has.some((other) => other.startsWith(path)),
            path,
          )
        const { changed, removed } = compare(object, mergeTyped(object, applied, sampleType), sampleType)
        const differing = [...pathsOf(changed), ...pathsOf(removed)]
        // An empty list is owned by nobody, so it goes with the last of its items.
        assert.deepEqual(
          differing.filter((path) => path !== '.set' && path !== '.list'),
          [],
        )
      }),
    )
  })

  it('what one manager applied and gives up is gone', () => {
    fc.assert(
      fc.property(someSample, (applied) => {
        const first = applyPatch({ ...options, live: {}, applied, manager: 'm' })
        const last = applyPatch({
          ...options,
          live: { ...first.object, metadata: { managedFields: first.managedFields } },
          applied: {},
          manager: 'm',
        })
        assert.deepEqual(pathsOf(fieldSetOf(withoutMetadata(last.object), sampleType)), [])
        assert.equal(last.managedFields, undefined)
      }),
    )
  })

  it('a comparison names what differs and nothing else', () => {
    fc.assert(
      fc.property(someSample, someSample, (a, b) => {
        assert.deepEqual(compare(a, structuredClone(a), sampleType), { changed: EMPTY, removed: EMPTY })
        const { changed, removed } = compare(a, b, sampleType)
        const [inA, inB] = [leavesOf(a), leavesOf(b)]
        const within = (path: string, paths: ReadonlySet<string>): boolean => [...paths].some((other) => other.startsWith(path))
        for (const path of inB.difference(inA)) assert.ok(pathsOf(changed).includes(path) || within(path, inA), `${path} came`)
        for (const path of inA.difference(inB)) assert.ok(pathsOf(removed).includes(path) || within(path, inB), `${path} went`)
      }),
    )
  })
})

/** The paths of an object that have no others below them. */
function leavesOf(object: JsonObject): Set<string> {
  const paths = pathsOf(fieldSetOf(object, sampleType))
  return new Set(paths.filter((path) => !paths.some((other) => other !== path && other.startsWith(path))))
}

function withoutMetadata(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== 'metadata'))
}
