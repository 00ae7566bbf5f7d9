import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { availableMemoryBytes, MemoryPressure } from './memoryPressure.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30

test('memory pressure begins below 100 MiB and lasts five minutes beyond its end', () => {
  const pressure = new MemoryPressure()
  const at = (minutes: number, availableMib: number): boolean =>
    pressure.observe(availableMib * MIB, { memoryBytes: 4 * GIB }, minutes * 60_000)
  assert.deepEqual(
    [at(0, 101), at(1, 99), at(2, 200), at(3, 99), at(7.9, 200), at(8, 200), at(9, 101)],
    [false, true, true, true, true, false, false],
  )
})

test('a small node has a small threshold', () => {
  const pressure = new MemoryPressure()
  assert.equal(pressure.observe(60 * MIB, { memoryBytes: 512 * MIB }, 0), false)
  assert.equal(pressure.observe(50 * MIB, { memoryBytes: 512 * MIB }, 0), true)
})

test("what is available: the machine's, or what the node's limit leaves", async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'memory-'))
  t.after(() => rm(root, { recursive: true }))
  const meminfo = join(root, 'meminfo')
  await writeFile(meminfo, 'MemTotal: 9000000 kB\nMemAvailable:    2097152 kB\n')
  assert.equal(await availableMemoryBytes(root, meminfo), 2 * GIB)
  await mkdir(join(root, 'memory'))
  await writeFile(join(root, 'memory/memory.limit_in_bytes'), `${GIB}\n`)
  await writeFile(join(root, 'memory/memory.usage_in_bytes'), `${GIB - 10 * MIB}\n`)
  await writeFile(join(root, 'memory/memory.stat'), `inactive_file 1\ntotal_inactive_file ${20 * MIB}\n`)
  assert.equal(await availableMemoryBytes(root, meminfo), 30 * MIB, 'cgroup v1')
  await writeFile(join(root, 'memory.max'), `${GIB}\n`)
  await writeFile(join(root, 'memory.current'), `${GIB - 40 * MIB}\n`)
  await writeFile(join(root, 'memory.stat'), 'inactive_file 0\n')
  assert.equal(await availableMemoryBytes(root, meminfo), 40 * MIB, 'cgroup v2')
})
