import assert from 'node:assert/strict'
import { test } from 'node:test'
import { controllerFactories, selectControllers, UnknownControllerError } from './registry.ts'

test('which controllers a flag leaves', () => {
  const known = ['a', 'b', 'c']
  assert.deepEqual(selectControllers(known, ['*']), known)
  assert.deepEqual(selectControllers(known, ['*', '-b']), ['a', 'c'])
  assert.deepEqual(selectControllers(known, ['b']), ['b'])
  assert.deepEqual(selectControllers(known, ['*'], new Set(['b'])), ['a', 'c'])
  assert.deepEqual(selectControllers(known, ['*', 'b'], new Set(['b'])), known)
  assert.deepEqual(selectControllers(known, ['b', '*', '-b', '-c']), ['a', 'b'])
  assert.deepEqual(selectControllers(['cronjob-controller', 'ttl-controller'], ['*', '-cronjob']), ['ttl-controller'])
  assert.throws(() => selectControllers(known, ['*', '-x']), UnknownControllerError)
})

test('a flag may leave out what upstream has and is not here, by its former name as well, but not ask for it', () => {
  assert.deepEqual(selectControllers(['a'], ['*', '-service-lb-controller', '-route', '-selinux-warning-controller']), ['a'])
  assert.throws(() => selectControllers(['a'], ['*', 'selinux-warning-controller']), {
    name: 'UnknownControllerError',
    message: '"selinux-warning-controller" cannot be run here: leave it out of the list of controllers',
  })
})

test('tokens are made only where they can be signed', () => {
  const name = 'serviceaccount-token-controller'
  assert.equal(controllerFactories({ rootCa: '' }).has(name), false)
  assert.equal(controllerFactories({ rootCa: '', signLegacyToken: async () => '' }).has(name), true)
})
