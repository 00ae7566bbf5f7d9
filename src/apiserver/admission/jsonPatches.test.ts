import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../api/resource.ts'
import { PatchFailure, patchObject } from './jsonPatches.ts'

test('a patch that does not apply is told as upstream tells it', () => {
  const object = { data: { a: '1' }, list: ['x'] }
  for (const [operation, message] of [
    [{ op: 'add', path: '/nope/x', value: 1 }, 'add operation does not apply: doc is missing path: "/nope/x": missing value'],
    [{ op: 'remove', path: '/data/b' }, "error in remove for path: '/data/b': Unable to remove nonexistent key: b: missing value"],
    [{ op: 'replace', path: '', value: null }, 'replace operation value must be object or array: %!w(<nil>)'],
    [{ op: 'add', value: 1 }, 'add operation failed to decode path: missing value'],
    [{ op: 'copy', path: '/data/c' }, 'copy operation failed to decode from: operation, missing from field: missing value'],
    [{ op: 'move', from: '/q/a', path: '/data/c' }, 'move operation does not apply: doc is missing from path: /q/a: missing value'],
    [{ op: 'test', path: '/data/a', value: '2' }, 'testing value /data/a failed: test failed'],
    [{ op: 'foo', path: '/data/a' }, 'Unexpected kind: foo'],
    [{}, 'Unexpected kind: unknown'],
  ] as [JsonObject, string][])
    assert.throws(
      () => patchObject(object, [operation]),
      (error) => error instanceof PatchFailure && error.message === message && error.testFailed === (operation['op'] === 'test'),
      message,
    )
})
