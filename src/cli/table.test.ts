import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitting, formatTable } from './table.ts'

test('columns are as wide as their widest cell, lines end without spaces', () => {
  assert.equal(formatTable(['NAME', 'AGE'], [['a-long-name', '1s'], ['b', ''], ['c']]), 'NAME          AGE\na-long-name   1s\nb\nc\n')
})

test('a table without rows is its header', () => assert.equal(formatTable(['NAME', 'AGE'], []), 'NAME   AGE\n'))

test('a table that is wider than the terminal goes without what it can', () => {
  const header = ['NAME', 'DRIVER', 'IP', 'STATUS']
  const rows = [['dev', 'docker', '10.0.0.1', 'Running']]
  const titles = (columns: number | undefined): readonly string[] =>
    fitting(header, rows, { columns, dispensable: ['DRIVER', 'IP'] }).header
  assert.deepEqual(titles(undefined), header)
  assert.deepEqual(titles(34), header)
  assert.deepEqual(titles(33), ['NAME', 'IP', 'STATUS'])
  assert.deepEqual(titles(10), ['NAME', 'STATUS'])
  assert.deepEqual(fitting(header, rows, { columns: 33, dispensable: ['DRIVER'] }).rows, [['dev', '10.0.0.1', 'Running']])
})
