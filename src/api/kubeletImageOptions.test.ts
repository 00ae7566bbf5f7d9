import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imageOptionsProblem } from './kubeletImageOptions.ts'

const patterns: [string, RegExp | undefined][] = [
  ['registry.test/app', undefined],
  ['localhost:5000/app', undefined],
  ['registry.test/team/*', undefined],
  ['localhost:5000/*', undefined],
  ['registry.test/app:1', /neither tag nor digest/],
  ['registry.test/app@sha256:00', /neither tag nor digest/],
  ['registry.test/*/app', /only patterns ending with/],
  ['registry.test/app*', /only patterns ending with/],
  ['/*', /at least registry hostname/],
]
for (const [pattern, want] of patterns)
  test(`the pattern ${pattern} is ${want ? 'refused' : 'taken'}`, () => {
    const problem = imageOptionsProblem({
      imagePullCredentialsVerificationPolicy: 'NeverVerifyAllowlistedImages',
      preloadedImagesVerificationAllowlist: ['registry.test/other', pattern],
    })
    if (want) assert.match(problem?.message ?? '', want)
    else assert.equal(problem, undefined)
  })
