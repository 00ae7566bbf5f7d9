import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTable } from './table.ts'

test('columns are as wide as their widest cell, lines end without spaces', () => {
  assert.equal(formatTable(['NAME', 'AGE'], [['a-long-name', '1s'], ['b', ''], ['c']]), 'NAME          AGE\na-long-name   1s\nb\nc\n')
})

test('a table without rows is its header', () => assert.equal(formatTable(['NAME', 'AGE'], []), 'NAME   AGE\n'))
