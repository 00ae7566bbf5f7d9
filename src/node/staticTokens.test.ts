import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTokenFile, TokenFileError } from './staticTokens.ts'

test('a token file names users and their groups', () => {
  const users = parseTokenFile('# people\nsecret1,jane,7\n\nsecret2,"o""neil",8,"dev, ops"\nsecret3,solo,\n')
  assert.deepEqual(
    [...users],
    [
      ['secret1', { name: 'jane', uid: '7', groups: [], extra: {} }],
      ['secret2', { name: 'o"neil', uid: '8', groups: ['dev', 'ops'], extra: {} }],
      ['secret3', { name: 'solo', groups: [], extra: {} }],
    ],
  )
})

test('what is wrong with one is told without its secrets', () => {
  for (const text of ['secret', 'secret,,1', 'a,b,c,d,e', 'secret,a,1\nsecret,b,2']) {
    assert.throws(
      () => parseTokenFile(text),
      (error: Error) => error instanceof TokenFileError && !error.message.includes('secret'),
    )
  }
})
