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

test('pulls one by one are not several at once', () => {
  const problem = (oneByOne: boolean, most: number) =>
    imageOptionsProblem({ 'serialize-image-pulls': oneByOne, maxParallelImagePulls: most })?.message
  assert.match(problem(true, 2) ?? '', /^invalid configuration: maxParallelImagePulls cannot be larger than 1/)
  assert.deepEqual([problem(true, 1), problem(false, 5)], [undefined, undefined])
})
