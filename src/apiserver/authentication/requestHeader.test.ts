import assert from 'node:assert/strict'
import { test } from 'node:test'
import { userOfHeaders } from './requestHeader.ts'

test('the front proxy names a user, header by header', () => {
  const raw = (headers: readonly [string, string][]): string[] =>
    headers.flatMap(([name, value]) => [name, Buffer.from(value).toString('latin1')])
  assert.equal(userOfHeaders(raw([['X-Remote-Group', 'a']])), undefined)
  assert.equal(userOfHeaders(raw([['X-Remote-User', '']])), undefined)
  assert.deepEqual(
    userOfHeaders(
      raw([
        ['x-remote-user', 'zoë'],
        ['X-Remote-Uid', '7'],
        ['X-Remote-Group', 'cn=a,ou=b'],
        ['X-Remote-Group', ''],
        ['X-Remote-Group', 'c'],
        ['X-Remote-Extra-Acme.com%2FProject', 'one, two'],
        ['X-Remote-Extra-Acme.com%2Fproject', 'three'],
        ['X-Remote-Extra-%zz', 'as it stands'],
      ]),
    ),
    {
      name: 'zoë',
      groups: ['cn=a,ou=b', 'c'],
      extra: { '%zz': ['as it stands'], 'acme.com/project': ['one, two', 'three'] },
    },
  )
  const { extra } =
    userOfHeaders(
      raw([
        ['X-Remote-User', 'u'],
        ['X-Remote-Extra-b', ''],
        ['X-Remote-Extra-__proto__', '1'],
        ['X-Remote-Extra-a', '2'],
      ]),
    ) ?? {}
  assert.deepEqual(Object.entries(extra ?? {}), [
    ['__proto__', ['1']],
    ['a', ['2']],
    ['b', ['']],
  ])
})
