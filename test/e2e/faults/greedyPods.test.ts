/** Pods that take what they can get: processes without end, an image that never ends pulling, logs as fast as they can be written. Others go on. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, shellPod, startedCluster, type Cluster } from '../minicube.ts'

const REGISTRY = '127.0.0.1:5999'
/** On a machine that has nothing else to do this takes some ten seconds. */
const LOG_MIB = Number(process.env['FAULTS_LOG_MIB'] ?? 80)
const LOG_TIMEOUT_MS = 90_000
const MIB = 2 ** 20
/** Five files of ten megabytes, and what is written while one is exchanged for the next. */
const LOG_BOUND_BYTES = 64 * MIB
const MAX_PIDS = 4096
const LINE_BYTES = 100

let cluster: Cluster

const node = async (script: string, mayFail = false): Promise<string> =>
  (await cluster.minicube(['ssh', '--', 'sh', '-c', script], { mayFail })).stdout.trim()

const uidOf = async (pod: string): Promise<string> => (await cluster.get<{ metadata: { uid: string } }>('pod', pod)).metadata.uid

before(async () => {
  cluster = await startedCluster('faults-greedy')
  await cluster.apply(shellPod('bystander', 'exec sleep 100000'))
  await cluster.kubectl(['wait', 'pod/bystander', '--for=condition=Ready', '--timeout=60s'])
})
after(() => cluster?.remove())

async function assertOthersGoOn(): Promise<void> {
  await cluster.kubectl(['exec', 'bystander', '--', 'true'], { timeoutMs: 20_000 })
  const { status } = await cluster.get<{ status: { containerStatuses: { restartCount: number; ready: boolean }[] } }>('pod', 'bystander')
  assert.deepEqual([status.containerStatuses[0]?.restartCount, status.containerStatuses[0]?.ready], [0, true])
}

test('a fork bomb fills its own container; others start and run beside it, and it can be deleted', async () => {
  await cluster.apply(shellPod('bomb', 'bomb() { bomb | bomb & }; bomb 2>/dev/null & exec sleep 100000'))
  const uid = await uidOf('bomb')
  const group = `$(ls -d /sys/fs/cgroup/pids/kubepods/besteffort/pod${uid} /sys/fs/cgroup/kubepods/besteffort/pod${uid} 2>/dev/null | head -1)`
  const processes = async (): Promise<number> => Number(await node(`cat ${group}/pids.current`, true))
  const most = await eventually('the bomb to go off', async () => {
    const now = await processes()
    return now > 300 && now
  })
  assert.ok(most <= MAX_PIDS + 16, `${most} processes`)
  assert.equal(await node(`cat ${group}/*/pids.max | sort -u`), String(MAX_PIDS))
  await assertOthersGoOn()
  await cluster.apply(shellPod('beside-bomb', 'exec sleep 100000'))
  await cluster.kubectl(['wait', 'pod/beside-bomb', '--for=condition=Ready', '--timeout=60s'])
  await cluster.kubectl(['delete', 'pod', 'bomb', '--timeout=60s'], { timeoutMs: 70_000 })
  await eventually(
    'its processes to be gone',
    async () => (await node(`ls -d ${group} 2>/dev/null`, true)) === '' || (await processes()) === 0,
  )
  await assertOthersGoOn()
})

test('images that never end pulling hold up no other; deleting their pods ends the pulls', async () => {
  const script = await readFile(join(import.meta.dirname, 'slowRegistry.ts'), 'utf8')
  const registry = cluster.minicube(['ssh', '--', 'node', '--input-type=module-typescript', '-', REGISTRY], {
    input: script,
    timeoutMs: 300_000,
    mayFail: true,
  })
  const open = async (): Promise<number> => Number(await node(`busybox wget -q -O - http://${REGISTRY}/open`))
  await eventually('the registry', async () => (await open()) === 0)
  const slow = Array.from({ length: 6 }, (_, n) => `slow-${n}`)
  const pod = (name: string, image: string): object =>
    shellPod(name, '', { restartPolicy: 'Never', containers: [{ name: 'c', image: `${REGISTRY}/${image}` }] })
  await cluster.apply(slow.map((name) => pod(name, `endless/${name}:1`)))
  await eventually('four pulls', async () => (await open()) >= 4)
  await cluster.apply(pod('quick', 'quick/image:1'))
  const pulled = await eventually(
    'the other image',
    async () => {
      const { items } = await cluster.get<{ items: { message: string }[] }>(
        'events',
        '--field-selector=involvedObject.name=quick,reason=Pulled',
      )
      return items[0]?.message
    },
    60_000,
  )
  assert.match(pulled, /^Successfully pulled image "127\.0\.0\.1:5999\/quick\/image:1" in /)
  assert.ok((await open()) >= slow.length, 'the endless pulls go on')
  await assertOthersGoOn()
  await cluster.kubectl(['delete', 'pod', ...slow, 'quick', '--timeout=30s'])
  await eventually('the pulls to end', async () => (await open()) === 0)
  await node(`busybox wget -q -O - http://${REGISTRY}/quit`, true)
  await registry
})

test(`${LOG_MIB} MiB of logs at 10 MB/s: rotated within their bound, followed in order, and the node answers`, async () => {
  // Numbered lines of a hundred bytes, a tenth of a second's worth at a time.
  const script = `awk 'BEGIN { pad = sprintf("%90s", ""); gsub(/ /, "x", pad); for (i = 0; ; i++) { printf "%08d %s\\n", i, pad; if (i % 10000 == 9999) { fflush(); system("sleep 0.1") } } }'`
  await cluster.apply(shellPod('chatty', script))
  await cluster.kubectl(['wait', 'pod/chatty', '--for=condition=Ready', '--timeout=60s'])
  const follower = await cluster.spawnKubectl(['logs', '-f', 'chatty'])
  const seen = { lines: 0, last: -1, broken: '' }
  let rest = ''
  follower.stdout?.on('data', (part: Buffer) => {
    const lines = (rest + part.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const number = Number(line.slice(0, 8))
      if (!/^\d{8} x{90}$/.test(line) || number <= seen.last) seen.broken ||= line
      seen.last = number
      seen.lines++
    }
  })
  const directory = `/var/lib/docker/containers/$(basename $(ls -d /var/lib/docker/containers/*/ | while read -r d; do grep -q '"io.kubernetes.pod.name":"chatty"\\|"io.minicube.pod.name":"chatty"' $d/config.v2.json && echo $d; done | head -1))`
  const path = await node(`echo ${directory}`)
  let largest = 0
  let writtenBytes = 0
  const untilMs = performance.now() + LOG_TIMEOUT_MS
  while (writtenBytes < LOG_MIB * MIB) {
    assert.ok(performance.now() < untilMs, `only ${writtenBytes} bytes were written`)
    const { stdout } = await cluster.kubectl(['logs', 'chatty', '--tail=1'])
    writtenBytes = Number(stdout.slice(0, 8)) * LINE_BYTES
    largest = Math.max(largest, Number((await node(`cat ${path}/*-json.log* 2>/dev/null | wc -c`)) || 0))
    await assertOthersGoOn()
  }
  const running = follower.exitCode === null
  follower.kill()
  if (running) await once(follower, 'close')
  assert.ok(running, 'the follower ended by itself')
  assert.equal(seen.broken, '')
  assert.ok(seen.lines * LINE_BYTES > 10 * MIB, `${seen.lines} lines were followed`)
  assert.ok(largest > 10 * MIB && largest < LOG_BOUND_BYTES, `the log had ${largest} bytes`)
  const tail = (await cluster.kubectl(['logs', 'chatty', '--tail=3'])).stdout
  assert.match(tail, /^(\d{8} x{90}\n){3}$/)
  await cluster.kubectl(['delete', 'pod', 'chatty', '--timeout=60s'])
  await eventually('the log to be gone', async () => (await node(`ls -d ${path} 2>/dev/null`, true)) === '')
})
