import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pullMessage } from './images.ts'

const NAME = 'registry.test/app:1'
const UNRESOLVED = `failed to resolve reference "${NAME}"`
const DENIED = `${UNRESOLVED}: pull access denied, repository does not exist or may require authorization: authorization failed`

const failures: [message: string, statusCode: number, want: string][] = [
  [
    '(HTTP code 500) server error - Head "http://registry.test/v2/app/manifests/1": no basic auth credentials ',
    500,
    `${DENIED}: Head "http://registry.test/v2/app/manifests/1": no basic auth credentials`,
  ],
  ['(HTTP code 500) server error - unauthorized: wrong password', 500, `${DENIED}: unauthorized: wrong password`],
  [
    "(HTTP code 404) no such container - pull access denied for app, repository does not exist or may require 'docker login'",
    404,
    `${DENIED}: pull access denied for app, repository does not exist or may require 'docker login'`,
  ],
  ['(HTTP code 404) no such container - manifest for app:1 not found', 404, `${UNRESOLVED}: ${NAME}: not found`],
  ['manifest unknown: manifest unknown', 500, `${UNRESOLVED}: ${NAME}: not found`],
  ['(HTTP code 500) server error - no space left on device', 500, 'no space left on device'],
]
for (const [message, statusCode, want] of failures)
  test(`a pull that fails with "${message}"`, () =>
    assert.equal(pullMessage(Object.assign(new Error(message), { statusCode }), NAME), want))
