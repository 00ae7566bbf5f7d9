import assert from 'node:assert/strict'
import { test } from 'node:test'
import { suiteLines } from './debianBase.ts'

test("the host's Debian mirrors serve our suite too", () => {
  const targets =
    'Debian|Debian|http://mirror.example/debian/\nDebian|Debian-Security|http://mirror.example/security/\nNodesource|x|https://deb.nodesource.com/\n'
  assert.deepEqual(suiteLines(targets), [
    'deb http://mirror.example/debian trixie main',
    'deb http://mirror.example/security trixie-security main',
  ])
})

test("a host of another distribution uses Debian's own mirror", () => {
  assert.deepEqual(suiteLines('Ubuntu|Ubuntu|http://archive.ubuntu.com/ubuntu/\n'), ['deb http://deb.debian.org/debian trixie main'])
  assert.deepEqual(suiteLines(''), ['deb http://deb.debian.org/debian trixie main'])
})
