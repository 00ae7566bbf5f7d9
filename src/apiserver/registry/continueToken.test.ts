import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeContinue, encodeContinue } from './continueToken.ts'

const token = (start: string, rv = -1): string => Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, start })).toString('base64url')

test('a list goes on after the last key that it has shown, and at a key that a client names', () => {
  const prefix = '/registry/secrets/n/'
  const own = decodeContinue(encodeContinue({ revision: 5, after: `${prefix}b` }, prefix), prefix)
  assert.deepEqual(own, { revision: 5, after: `${prefix}b` })
  for (const start of ['b', '/b']) {
    const { after } = decodeContinue(token(start), prefix)
    assert.ok(after < `${prefix}b` && after > `${prefix}a.z-9`, start)
  }
})

test('a key that is no clean path is refused', () => {
  for (const start of ['../b', 'a//b', 'b/', './b', 'a/../b'])
    assert.throws(
      () => decodeContinue(token(start), '/p/'),
      { message: `invalid continue token: continue key is not valid: ${start}` },
      start,
    )
})
