import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { limitPodsMemory, podWorkingSetBytes, removePodCgroup } from './podCgroup.ts'

const pod = { metadata: { uid: 'u' }, spec: { containers: [{ name: 'c' }] } } as unknown as Pod

const layouts: [string, string, string, string][] = [
  ['v1', 'memory', 'memory.usage_in_bytes', 'total_inactive_file'],
  ['v2', '', 'memory.current', 'inactive_file'],
]
for (const [version, hierarchy, usage, droppable] of layouts) {
  test(`cgroup ${version}: the limit of all pods, what one of them uses, and its end`, async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'cgroup-'))
    t.after(() => rm(root, { recursive: true, force: true }))
    if (version === 'v2') await writeFile(join(root, 'cgroup.controllers'), 'memory pids\n')
    await limitPodsMemory(1000.7, root)
    const limit = version === 'v2' ? 'memory.max' : 'memory.limit_in_bytes'
    assert.equal(await readFile(join(root, hierarchy, 'kubepods', limit), 'utf8'), '1000')
    assert.equal(await podWorkingSetBytes(pod, root), undefined)
    const group = join(root, hierarchy, 'kubepods/besteffort/podu')
    await mkdir(group, { recursive: true })
    await writeFile(join(group, usage), '500\n')
    await writeFile(join(group, 'memory.stat'), `cache 1\n${droppable} 200\n`)
    assert.equal(await podWorkingSetBytes(pod, root), 300)
    for (const name of [usage, 'memory.stat']) await rm(join(group, name))
    await removePodCgroup('u', root)
    assert.equal(await podWorkingSetBytes(pod, root), undefined)
  })
}
