import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOnBridge, engineMounts } from './ownEngine.ts'

test('only what the engine itself mounted is unmounted', () => {
  const mounts = [
    'proc /proc proc rw 0 0',
    'tmpfs /run/minicube tmpfs rw 0 0',
    '/dev/sda1 /var/lib/minicube ext4 rw 0 0',
    '/dev/sda1 /var/lib/minicube/engine ext4 rw 0 0',
    'overlay /var/lib/minicube/engine/overlay2/x/merged overlay rw 0 0',
    'nsfs /run/minicube/engine/netns/default nsfs rw 0 0',
    'tmpfs /run/minicube-other tmpfs rw 0 0',
    'tmpfs /var/lib/minicube/engine2 tmpfs rw 0 0',
    '',
  ]
  assert.deepEqual(engineMounts(mounts.join('\n')), [
    '/var/lib/minicube/engine',
    '/var/lib/minicube/engine/overlay2/x/merged',
    '/run/minicube/engine/netns/default',
  ])
})

test("the host's address on the bridge", () => {
  const shown = '8: minicube0    inet 192.168.200.1/24 scope global minicube0\\       valid_lft forever preferred_lft forever\n'
  assert.equal(addressOnBridge(shown), '192.168.200.1')
  assert.equal(addressOnBridge(''), undefined)
})
