import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../catalog/load.ts'
import type { TypeDef } from '../catalog/schema.ts'
import { DecodeError } from './json.ts'
import { restore } from './restore.ts'

const catalog = loadCatalog()

function restoreError(value: object, type: TypeDef): string | undefined {
  try {
    restore(value, type)
    return undefined
  } catch (error) {
    assert.ok(error instanceof DecodeError)
    return error.message
  }
}

test('what cannot become Go’s struct again is told by its kind alone', () => {
  const deployment = catalog.resource('apps', 'v1', 'deployments')?.type
  const configMap = catalog.resource('', 'v1', 'configmaps')?.type
  assert.ok(deployment && configMap)
  for (const [value, expected] of [
    [{ spec: { replicas: 3 } }, undefined],
    [{ spec: null }, undefined],
    [{ spec: 'x' }, 'cannot restore struct from: string'],
    [{ spec: [] }, 'cannot restore struct from: slice'],
    [{ spec: { replicas: 'x' } }, 'unrecognized type: int32'],
    [{ spec: { replicas: 1.5 } }, 'cannot convert float64 to int32'],
    [{ spec: { paused: 1 } }, 'unrecognized type: bool'],
    [{ spec: { template: { spec: { containers: {} } } } }, 'cannot restore slice from map'],
    [{ spec: { template: { spec: { nodeSelector: 'x' } } } }, 'cannot restore map from string'],
  ] as const)
    assert.equal(restoreError(value, deployment), expected, JSON.stringify(value))
  for (const [value, expected] of [
    [{ data: { a: 5 } }, 'cannot convert int64 to string'],
    [{ data: { a: true } }, 'unrecognized type: string'],
    [{ binaryData: { a: '!!' } }, 'error decoding from json: illegal base64 data at input byte 0'],
    [{ binaryData: { a: 'eA==' } }, undefined],
  ] as const)
    assert.equal(restoreError(value, configMap), expected, JSON.stringify(value))
})

test('integers that their fields have no room for are cut', () => {
  const deployment = catalog.resource('apps', 'v1', 'deployments')?.type
  assert.ok(deployment)
  const cases: [number | bigint, number][] = [
    [2 ** 32 + 1, 1],
    [2 ** 31, -(2 ** 31)],
    [-1, -1],
    [1e30, 0],
    [2n ** 63n - 1n, -1],
  ]
  for (const [replicas, expected] of cases) {
    const { spec } = restore({ spec: { replicas } }, deployment).object as { spec: { replicas: number } }
    assert.equal(spec.replicas, expected, String(replicas))
  }
})
