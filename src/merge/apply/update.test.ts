import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ManagedFieldsEntry } from '../../api/kinds/meta/v1.ts'
import type { JsonObject } from '../jsonValue.ts'
import { fieldSetOfPaths } from './fieldSet.ts'
import { customType, kindFields, typeOf } from './testTypes.ts'
import { updateManagedFields, type UpdateOptions } from './update.ts'

const startMs = Date.UTC(2026, 0, 1)
const base = { schema: typeOf('ConfigMap'), apiVersion: 'v1', nowMs: startMs }

function update(before: JsonObject | undefined, after: JsonObject, more: Partial<UpdateOptions> = {}): ManagedFieldsEntry[] | undefined {
  return updateManagedFields({ ...base, before: before ?? {}, after, manager: 'm', ...more })
}

const entry = (manager: string, fieldsV1: JsonObject, more: Partial<ManagedFieldsEntry> = {}): ManagedFieldsEntry => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-01-01T00:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1,
  ...more,
})

const held = (data: JsonObject, managedFields: unknown): JsonObject => ({ metadata: { name: 'c', uid: 'u', managedFields }, data })

describe('an update', () => {
  it('owns what it creates, but not what the system sets', () => {
    const after = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'n', labels: { l: '1' } }, data: { a: '1' } }
    assert.deepEqual(update(undefined, after), [
      entry('m', { 'f:data': { '.': {}, 'f:a': {} }, 'f:metadata': { 'f:labels': { '.': {}, 'f:l': {} } } }),
    ])
  })

  it('owns structs that Go holds by value by their fields alone', () => {
    const pod = { metadata: {}, spec: { containers: [{ name: 'a' }], volumes: [{ name: 'v' }], securityContext: {} } }
    const [created] = update(undefined, pod, { schema: typeOf('Pod') }) ?? []
    assert.deepEqual(created?.fieldsV1, {
      'f:spec': {
        'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:name': {} } },
        'f:securityContext': {},
        'f:volumes': { '.': {}, 'k:{"name":"v"}': { '.': {}, 'f:name': {} } },
      },
    })
    const custom = customType({ spec: { type: 'object', def: customType({ a: { type: 'string' } }) } })
    assert.deepEqual(update(undefined, { spec: { a: '1' } }, { schema: custom })?.[0]?.fieldsV1, { 'f:spec': { '.': {}, 'f:a': {} } })
  })

  it('takes what it changes and what it removes from the others', () => {
    const others = [entry('one', { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {} } }), entry('two', { 'f:data': { 'f:c': {} } })]
    const before = held({ a: '1', b: '1', c: '1' }, others)
    assert.deepEqual(update(before, held({ a: '2', b: '1' }, others), { nowMs: startMs + 1000 }), [
      entry('one', { 'f:data': { '.': {}, 'f:b': {} } }),
      entry('m', { 'f:data': { 'f:a': {} } }, { time: '2026-01-01T00:00:01Z' }),
    ])
  })

  it('writes what a client has edited as the server would', () => {
    const stored = [entry('m', { 'f:data': { 'f:a': {} } })]
    const edited = [entry('m', { 'f:data': { 'f:b': { '.': {} }, 'f:a': {} } })]
    const after = held({ a: '1', b: '1' }, edited)
    const [found] = update(held({ a: '1', b: '1' }, stored), after) ?? []
    assert.equal(JSON.stringify(found?.fieldsV1), '{"f:data":{"f:a":{},"f:b":{}}}')
  })

  it('that changes nothing leaves every entry as it is', () => {
    const entries = [entry('m', { 'f:data': { 'f:a': {} } })]
    const before = held({ a: '1' }, entries)
    assert.equal(update(before, held({ a: '1' }, entries), { nowMs: startMs + 9000 })?.[0], entries[0])
  })

  it('may clear managedFields; they stay cleared until something is applied', () => {
    const before = held({ a: '1' }, [entry('one', { 'f:data': { 'f:a': {} } })])
    assert.equal(update(before, held({ a: '2' }, [{}])), undefined)
    assert.equal(update(held({ a: '2' }, undefined), held({ a: '3' }, undefined)), undefined)
  })

  it('may edit managedFields, but what cannot be understood is ignored', () => {
    const entries = [entry('one', { 'f:data': { 'f:a': {} } })]
    const before = held({ a: '1' }, entries)
    const edited = [entry('forged', { 'f:data': { 'f:a': {} } }, { operation: 'Apply' })]
    assert.deepEqual(update(before, held({ a: '1' }, edited)), edited)
    for (const bad of [{ operation: 'Bogus' }, { fieldsType: 'FieldsV9' }, { apiVersion: '' }, { fieldsV1: { nonsense: {} } }]) {
      assert.deepEqual(update(before, held({ a: '1' }, [{ ...edited[0], ...bad }])), entries)
    }
    assert.deepEqual(
      update(before, held({ a: '1' }, edited), { subresource: 'status' }),
      entries,
      'through a subresource they cannot be edited',
    )
  })

  it('does not own what its endpoint resets', () => {
    const before = { metadata: {}, spec: { replicas: 1 }, status: {} }
    const after = { metadata: {}, spec: { replicas: 2 }, status: { replicas: 1 } }
    const options = {
      schema: typeOf('Deployment', 'apps'),
      apiVersion: 'apps/v1',
      subresource: 'status',
      resetFields: fieldSetOfPaths([['spec']]),
    }
    assert.deepEqual(update(before, after, options), [
      entry('m', { 'f:status': { 'f:replicas': {} } }, { apiVersion: 'apps/v1', subresource: 'status' }),
    ])
  })

  it('gathers the oldest updaters once there are more than ten', () => {
    let object = held({}, undefined)
    for (let i = 0; i < 14; i++) {
      const after = held({ ...(object['data'] as JsonObject), [`k${i}`]: '1' }, (object['metadata'] as JsonObject)['managedFields'])
      const managedFields = update(i === 0 ? undefined : object, after, { manager: `m${i}`, nowMs: startMs + i * 1000 })
      object = held(after['data'] as JsonObject, managedFields)
    }
    const entries = (object['metadata'] as JsonObject)['managedFields'] as ManagedFieldsEntry[]
    assert.deepEqual(
      entries.map(({ manager }) => manager),
      ['ancient-changes', 'm5', 'm6', 'm7', 'm8', 'm9', 'm10', 'm11', 'm12', 'm13'],
    )
    assert.deepEqual(
      entries[0],
      entry(
        'ancient-changes',
        {
          'f:data': { '.': {}, 'f:k0': {}, 'f:k1': {}, 'f:k2': {}, 'f:k3': {}, 'f:k4': {} },
        },
        { time: '2026-01-01T00:00:04Z' },
      ),
    )
  })

  it('owns as a whole what has become atomic since', () => {
    const schema = customType({ ...kindFields, map: { type: 'map', values: { type: 'string' }, atomic: true } })
    const before = { metadata: { managedFields: [entry('one', { 'f:map': { '.': {}, 'f:a': {} } })] }, map: { a: '1' } }
    assert.deepEqual(update(before, before, { schema }), [entry('one', { 'f:map': {} })])
    assert.deepEqual(update(before, { ...before, map: { a: '2' } }, { schema }), [entry('m', { 'f:map': {} })])
  })

  it('forgets all owners of a custom resource that does not fit its type', () => {
    const schema = customType({ ...kindFields, status: { type: 'object', def: customType({ phase: { type: 'string' } }) } })
    const before = { metadata: { uid: 'u', managedFields: [entry('one', { 'f:status': {} })] }, status: { phase: 'a' } }
    assert.equal(update(before, { ...before, status: { phase: [] } }, { schema }), undefined)
  })

  it('finds its way with lists that no longer fit their type', () => {
    const before = {
      metadata: { uid: 'u', finalizers: ['a', 'a'], managedFields: [entry('one', { 'f:metadata': { 'f:finalizers': { 'v:"a"': {} } } })] },
    }
    assert.deepEqual(
      update(before, { ...before, metadata: { ...before.metadata, finalizers: ['a'] } })?.map(({ manager }) => manager),
      ['m'],
    )
  })
})
