import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { removePodCgroup } from './podCgroup.ts'

const layouts: [string, string[], boolean][] = [
  ['cgroup v2', ['kubepods/burstable'], true],
  ['cgroup v1', ['cpu/kubepods/besteffort', 'memory/kubepods/besteffort', 'pids/kubepods'], false],
]
for (const [what, parents, v2] of layouts) {
  test(`the pod's group is removed, others stay: ${what}`, async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'cgroup-'))
    t.after(() => rm(root, { recursive: true, force: true }))
    if (v2) await writeFile(join(root, 'cgroup.controllers'), 'cpu')
    for (const parent of parents) for (const pod of ['podu1', 'podu2']) await mkdir(join(root, parent, pod), { recursive: true })
    await removePodCgroup('u1', root)
    for (const parent of parents) assert.deepEqual(await readdir(join(root, parent)), ['podu2'])
  })
}
