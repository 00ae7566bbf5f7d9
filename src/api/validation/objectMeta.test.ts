import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateFieldManager, validateObjectMeta, validateObjectMetaUpdate } from './objectMeta.ts'
import type { ObjectMeta } from '../kinds/meta/v1.ts'

const meta = (changes: Partial<ObjectMeta>): ObjectMeta => ({ name: 'a', ...changes }) as ObjectMeta
const owner = (apiVersion: string, controller = false) => ({ apiVersion, kind: 'Pod', name: 'p', uid: 'u', controller })

test('metadata of a new object and of a change', () => {
  const version = 'metadata.ownerReferences.apiVersion: version must not be empty'
  const twice = 'metadata.ownerReferences: Only one reference can have Controller set to true'
  const cases: [changes: Partial<ObjectMeta>, onCreate: string[], onUpdate: string[]][] = [
    [{ ownerReferences: [owner('v1'), owner('apps/v1')] }, [], []],
    [{ ownerReferences: [owner('a/b/c')] }, [version], [version]],
    [{ ownerReferences: [owner('apps/')] }, [version], [version]],
    [{ ownerReferences: [owner('v1', true), owner('v1', true), owner('v1', true)] }, [twice, twice], [twice, twice]],
    // A change's finalizers are for the rules of a new object, which the registry asks with every change.
    [{ finalizers: ['a b/c'] }, ['metadata.finalizers: prefix part'], []],
    [{ finalizers: ['nobody'] }, ['metadata.finalizers[0]: name is neither'], []],
    [{ generation: -1 }, ['metadata.generation: must be greater'], ['metadata.generation: must not be decremented']],
  ]
  for (const [changes, onCreate, onUpdate] of cases) {
    const starts = (errors: ReturnType<typeof validateObjectMeta>): string[] =>
      errors.map(({ field, message }) => `${field}: ${message.replace(/^Invalid value: (?:"[^"]*"|\[.*\]|-1): /, '')}`)
    const check = (found: string[], expected: string[]): void => {
      assert.equal(found.length, expected.length, `${JSON.stringify(changes)}: ${found.join('; ')}`)
      for (const [at, start] of expected.entries()) assert.ok(found[at]?.startsWith(start), String(found[at]))
    }
    check(starts(validateObjectMeta(meta(changes), { namespaced: false })), onCreate)
    check(starts(validateObjectMetaUpdate(meta(changes), meta({}))), onUpdate)
  }
})

test('a field manager is short and can be printed', () => {
  const said = (manager: string): string[] => validateFieldManager(manager, 'm').map(({ message }) => message)
  assert.deepEqual(said('kubectl é'), [])
  assert.deepEqual(said('x'.repeat(129)), ['Too long: may not be more than 128 bytes'])
  assert.deepEqual(said('é\u0001'), ['Invalid value: "é\\x01": invalid character U+0001 (at position 2)'])
})
