import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkProfileName, checkWorkerNames, isImageName } from './names.ts'

test('names of images', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  for (const name of ['app', 'app:dev', 'team/app:1.0', 'localhost:5000/app', 'ghcr.io/a/b__c/d-e:V1', `app@${digest}`, digest, '0123abcd'])
    assert.ok(isImageName(name), name)
  for (const name of [
    '',
    '/app.tar',
    './app',
    '../app',
    'App',
    'BAD NAME',
    'app:',
    'app:-x',
    'a//b',
    'app/',
    '-app',
    `${'a-'.repeat(50_000)}!`,
  ])
    assert.ok(!isImageName(name), name.slice(0, 20))
})

test('names of profiles', () => {
  assert.equal(checkProfileName('dev-2'), 'dev-2')
  for (const name of ['', 'Dev', 'dev_2', '-dev', 'dev-', '..', 'a/b', 'a'.repeat(64)])
    assert.throws(() => checkProfileName(name), /is not a profile name/, name)
})

test('names of further nodes fit a host name', () => {
  const name = 'a'.repeat(59)
  checkWorkerNames(name, 10)
  checkWorkerNames(`${name}aaaa`, 1)
  assert.throws(() => checkWorkerNames(`${name}a`, 2), { exitCode: 14, hint: /profile name of 59 characters at most/ })
})
