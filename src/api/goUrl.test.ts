import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUrl, urlError } from './goUrl.ts'

test('URLs in parts', () => {
  const { scheme, user, host, path, query, fragment } = parseUrl('HTTPS://u:p@x.example:8/a?b=c#d', false)
  assert.deepEqual(
    { scheme, user, host, path, query, fragment },
    { scheme: 'https', user: 'u:p', host: 'x.example:8', path: '/a', query: 'b=c', fragment: 'd' },
  )
  assert.equal(parseUrl('https://x', false).user, undefined)
})

test('what is no URL', () => {
  const table: [string, string | undefined][] = [
    ['https://x', undefined],
    ['::', 'parse "::": missing protocol scheme'],
    ['https://x:y', 'parse "https://x:y": invalid port ":y" after host'],
    ['https://x/%zz', 'parse "https://x/%zz": invalid URL escape "%zz"'],
    ['https://a b', 'parse "https://a b": invalid character " " in host name'],
  ]
  for (const [text, why] of table) assert.equal(urlError(text, false), why)
})
