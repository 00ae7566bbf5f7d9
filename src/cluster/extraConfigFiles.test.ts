import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { withFileContents } from './extraConfigFiles.ts'

test('a file of this machine goes along by its contents; what is none is one of the node', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'minicube-extra-config-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'scheduler.yaml')
  const kubelet = { 'max-pods': '9' }
  writeFileSync(file, 'kind: KubeSchedulerConfiguration')
  assert.deepEqual(withFileContents({ kubelet, scheduler: { config: file } }), {
    kubelet,
    scheduler: { config: 'kind: KubeSchedulerConfiguration\n' },
  })
  for (const config of ['/etc/only/in/the/node.yaml', 'kind: X\nmore: text\n']) {
    const given = { scheduler: { config } }
    assert.equal(withFileContents(given), given)
  }
  assert.deepEqual(withFileContents({ kubelet }), { kubelet })
  writeFileSync(file, 'x'.repeat(65 * 1_024))
  assert.throws(() => withFileContents({ scheduler: { config: file } }), /has 66560 bytes/)
})
