import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDockerignore } from './dockerignore.ts'

test("Docker's rules", () => {
  const { ignores, hasExceptions } = parseDockerignore('# comment\n\nnode_modules\n/dist/\n*.log\n**/*.tmp\ndocs/*\n!docs/README.md\n')
  const left = ['node_modules', 'node_modules/x/y.js', 'dist/a', 'a.log', 'deep/down/a.tmp', 'a.tmp', 'docs/guide.md']
  const kept = ['src/node_modules', 'deep/a.log', 'src', 'docs/README.md', 'docs']
  assert.deepEqual(
    left.filter((path) => !ignores(path)),
    [],
  )
  assert.deepEqual(
    kept.filter((path) => ignores(path)),
    [],
  )
  assert.equal(hasExceptions, true)
})

test('without patterns nothing is left out', () => {
  const { ignores, hasExceptions } = parseDockerignore('\n#x\n')
  assert.equal(ignores('x'), false)
  assert.equal(hasExceptions, false)
})
