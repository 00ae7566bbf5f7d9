import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasEnded, parseCgroups, statsV1, statsV2, statValue } from './cgroupStats.ts'

test('cgroup files', () => {
  assert.deepEqual(
    [...parseCgroups('4:memory:/a\n2:cpu,cpuacct:/b\n0::/c\n')],
    [
      ['memory', '/a'],
      ['cpu', '/b'],
      ['cpuacct', '/b'],
      ['', '/c'],
    ],
  )
  assert.deepEqual([statValue('a 1\ninactive_file 42\n', 'inactive_file'), statValue('', 'x')], [42, 0])
})
test('a process that waits to be reaped is not taken for the whole node', () => {
  assert.deepEqual(
    ['4:memory:/\n2:cpu,cpuacct:/\n', '4:memory:/kubepods/podu/c\n1:name=systemd:/\n', '0::/\n', '0::/kubepods/podu/c\n'].map((text) =>
      hasEnded(parseCgroups(text)),
    ),
    [true, false, true, false],
  )
})

const WANT = {
  cpuUsageNs: 7_000_000,
  cpuUserNs: 40_000_000,
  cpuSystemNs: 20_000_000,
  cpuPeriods: 5,
  cpuThrottledPeriods: 2,
  cpuThrottledNs: 3_000,
  memoryUsageBytes: 1000,
  memoryWorkingSetBytes: 900,
  memoryRssBytes: 300,
  memoryCacheBytes: 200,
  memoryMappedBytes: 50,
  memorySwapBytes: 8,
  pageFaults: 11,
  majorPageFaults: 1,
  readBytes: 4096 + 512,
  writtenBytes: 8192,
  reads: 3,
  writes: 2,
  processes: 4,
}
const missing = (name: string): Promise<string> => Promise.reject(new Error(`no ${name}`))

test('a group of cgroup v1', async () => {
  const files: Record<string, string> = {
    'memory/memory.usage_in_bytes': '1000\n',
    'memory/memory.stat':
      'cache 1\nrss 2\ntotal_cache 200\ntotal_rss 300\ntotal_mapped_file 50\ntotal_swap 8\ntotal_pgfault 11\ntotal_pgmajfault 1\ntotal_inactive_file 100\n',
    'cpuacct/cpuacct.usage': '7000000\n',
    'cpuacct/cpuacct.stat': 'user 4\nsystem 2\n',
    'cpu/cpu.stat': 'nr_periods 5\nnr_throttled 2\nthrottled_time 3000\n',
    'blkio/blkio.throttle.io_service_bytes_recursive': '8:0 Read 4096\n8:0 Write 8192\n8:0 Total 12288\n7:1 Read 512\nTotal 12800\n',
    'blkio/blkio.throttle.io_serviced_recursive': '8:0 Read 2\n8:0 Write 2\n7:1 Read 1\nTotal 5\n',
    'pids/pids.current': '4\n',
  }
  const read = async (controller: string, name: string): Promise<string> => files[`${controller}/${name}`] ?? missing(name)
  assert.deepEqual(await statsV1(read), WANT)
})

test('a group of cgroup v2', async () => {
  const files: Record<string, string> = {
    'memory.current': '1000\n',
    'memory.stat': 'anon 300\nfile 200\nfile_mapped 50\ninactive_file 100\npgfault 11\npgmajfault 1\n',
    'memory.swap.current': '8\n',
    'cpu.stat': 'usage_usec 7000\nuser_usec 40000\nsystem_usec 20000\nnr_periods 5\nnr_throttled 2\nthrottled_usec 3\n',
    'io.stat': '8:0 rbytes=4096 wbytes=8192 rios=2 wios=2 dbytes=0\n7:1 rbytes=512 wbytes=0 rios=1 wios=0\n',
    'pids.current': '4\n',
  }
  assert.deepEqual(await statsV2(async (name) => files[name] ?? missing(name)), WANT)
})

test('what a kernel does not count is nothing', async () => {
  const files: Record<string, string> = { 'memory.current': '5\n', 'memory.stat': '', 'cpu.stat': 'usage_usec 1\n' }
  const { memorySwapBytes, readBytes, processes, cpuPeriods } = await statsV2(async (name) => files[name] ?? missing(name))
  assert.deepEqual([memorySwapBytes, readBytes, processes, cpuPeriods], [0, 0, 0, 0])
})
