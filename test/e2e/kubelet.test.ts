/** A kubelet that was configured from outside, and what pods are refused for, by name. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BUSYBOX, eventually, shellPod, startedCluster, type Cluster } from './minicube.ts'

const LOG_BYTES = 64 * 1024
const LOG_FILES = 3
const LINES = 4000
const LINE = 'x'.repeat(90)

let cluster: Cluster

const nodeShell = async (script: string): Promise<string> => (await cluster.minicube(['ssh', '--', 'sh', '-c', script])).stdout.trim()
const log = async (pod: string): Promise<string> => (await cluster.kubectl(['logs', pod])).stdout.trim()

interface PodView {
  metadata: { uid: string }
  status: { phase: string; reason?: string; message?: string; containerStatuses?: { containerID?: string; restartCount: number }[] }
}

const ended = (name: string): Promise<PodView> =>
  eventually(`the end of ${name}`, async () => {
    const pod = await cluster.get<PodView>('pod', name)
    return ['Failed', 'Succeeded'].includes(pod.status.phase) && pod
  })

const once = (name: string, script: string, spec: object = {}): object => shellPod(name, script, { restartPolicy: 'Never', ...spec })

before(async () => {
  const settings = [
    `container-log-max-size=${LOG_BYTES}`,
    `containerLogMaxFiles=${LOG_FILES}`,
    'max-pods=20',
    'kube-reserved=cpu=100m,memory=400Mi',
    'pod-max-pids=64',
    'allowed-unsafe-sysctls=kernel.msg*',
    'seccompDefault=true',
    'crashLoopBackOff.maxContainerRestartPeriod=2s',
  ]
  cluster = await startedCluster(
    'kubelet-settings',
    settings.map((setting) => `--extra-config=kubelet.${setting}`),
  )
})
after(() => cluster?.remove())

test('the node says what was set', async () => {
  interface NodeView {
    status: { capacity: Record<string, string>; allocatable: Record<string, string> }
  }
  const { capacity, allocatable } = (await cluster.get<NodeView>('node', cluster.profile)).status
  const kib = (amounts: Record<string, string>): number => Number(amounts['memory']?.replace('Ki', ''))
  assert.deepEqual([capacity['pods'], allocatable['pods'], kib(capacity) - kib(allocatable)], ['20', '20', 500 * 1024])
  assert.equal(Number(allocatable['cpu']?.replace('m', '')), Number(capacity['cpu']) * 1000 - 100)
  const { stdout } = await cluster.kubectl(['get', '--raw', `/api/v1/nodes/${cluster.profile}/proxy/configz`])
  const { kubeletconfig } = JSON.parse(stdout) as { kubeletconfig: Record<string, unknown> }
  assert.deepEqual([kubeletconfig['maxPods'], kubeletconfig['kubeReserved']], [20, { cpu: '100m', memory: '400Mi' }])
})

test('a log is continued in another file, the oldest goes, and the newest lines are there in order', async () => {
  await cluster.apply(once('talker', `i=0; while [ $i -lt ${LINES} ]; do echo "$i ${LINE}"; i=$((i+1)); done`))
  const { status } = await ended('talker')
  const id = status.containerStatuses?.[0]?.containerID?.replace('docker://', '') ?? ''
  const files = (await nodeShell(`cd /var/lib/docker/containers/${id} && ls -l *-json.log* | awk '{ print $5 }'`)).split('\n').map(Number)
  assert.equal(files.length, LOG_FILES)
  for (const size of files) assert.ok(size < LOG_BYTES + 1024, `a log file has ${size} bytes`)
  const numbers = (await log('talker')).split('\n').map((line) => Number(line.split(' ')[0]))
  assert.equal(numbers.at(-1), LINES - 1)
  assert.ok(numbers.length < LINES, 'nothing was given up')
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => LINES - numbers.length + i),
  )
})

test('a pod has the processes that it may, and its limits of sysctls, seccomp and volumes in memory', async () => {
  await nodeShell(
    `mkdir -p /var/lib/kubelet/seccomp && echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >/var/lib/kubelet/seccomp/no-mkdir.json`,
  )
  const profile = (type: string, localhostProfile?: string): object => ({
    securityContext: { seccompProfile: { type, ...(localhostProfile && { localhostProfile }) } },
  })
  const filter = 'grep -c "^Seccomp:.*2" /proc/self/status'
  const inMemory = {
    containers: [{ name: 'shell', image: BUSYBOX, command: ['sh', '-c', 'stat -c %a /m'], volumeMounts: [{ name: 'm', mountPath: '/m' }] }],
    volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }],
  }
  await cluster.apply([
    once('pids', 'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null | head -1'),
    once('sysctl', 'cat /proc/sys/kernel/msgmax', { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '12345' }] } }),
    once('by-default', filter),
    once('unconfined', `${filter} || true`, profile('Unconfined')),
    once('localhost', 'mkdir /tmp/x 2>&1 || true', profile('Localhost', 'no-mkdir.json')),
    once('in-memory', '', inMemory),
  ])
  const names = ['pids', 'sysctl', 'by-default', 'unconfined', 'localhost', 'in-memory']
  const said = await Promise.all(names.map(async (name) => (await ended(name), log(name))))
  assert.deepEqual(said.slice(0, 4), ['64', '12345', '1', '0'])
  assert.match(said[4] ?? '', /Operation not permitted/)
  assert.equal(said[5], '1777')
})

test('what cannot be is refused with its reason', async () => {
  await cluster.apply([
    once('unsafe', 'true', { securityContext: { sysctls: [{ name: 'kernel.shmmax', value: '1' }] } }),
    once('huge', 'true', { nodeName: cluster.profile, containers: [hugeContainer()] }),
    once('users', 'true', { hostUsers: false }),
  ])
  const unsafe = await ended('unsafe')
  assert.deepEqual(
    [unsafe.status.reason, unsafe.status.message],
    ['SysctlForbidden', 'Pod was rejected: forbidden sysctl: "kernel.shmmax" not allowlisted'],
  )
  if ((await nodeShell('cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 2>/dev/null || echo 0')) === '0')
    assert.equal((await ended('huge')).status.reason, 'OutOfhugepages-2Mi')
  if ((await nodeShell('cat /sys/module/apparmor/parameters/enabled 2>/dev/null || echo N')) === 'N') {
    await cluster.apply(once('confined', 'true', { securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }))
    const { status } = await ended('confined')
    assert.deepEqual(
      [status.reason, status.message],
      ['AppArmor', 'Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host'],
    )
  }
  await eventually('the event', async () => {
    const { stdout } = await cluster.kubectl([
      'get',
      'events',
      '--field-selector',
      'involvedObject.name=users,reason=FailedCreatePodSandBox',
    ])
    return stdout.includes("can't set `spec.hostUsers: false`, runtime does not support user namespaces")
  })
})

test('a container that keeps failing waits no longer than it may', async () => {
  await cluster.apply(shellPod('failing', 'exit 1'))
  await eventually(
    'the fourth restart',
    async () => ((await cluster.get<PodView>('pod', 'failing')).status.containerStatuses?.[0]?.restartCount ?? 0) >= 4,
  )
})

test('what was started and how it ended is counted under upstream’s names', async () => {
  const { stdout } = await cluster.kubectl(['get', '--raw', `/api/v1/nodes/${cluster.profile}/proxy/metrics`])
  const value = (line: RegExp): number => Number(line.exec(stdout)?.[1] ?? 0)
  assert.ok(value(/^kubelet_started_pods_total (\d+)$/m) >= 8)
  assert.ok(value(/^kubelet_started_pods_errors_total (\d+)$/m) >= 1, 'the pod that may have no users of its own')
  assert.ok(value(/^kubelet_started_containers_total\{container_type="container"\} (\d+)$/m) >= 8)
  assert.ok(value(/^kubelet_terminated_containers_total\{container_type="container",exit_code="1",reason="Error"\} (\d+)$/m) >= 4)
})

interface ResizedView extends PodView {
  status: PodView['status'] & {
    resources?: { limits?: Record<string, string> }
    allocatedResources?: Record<string, string>
    conditions: { type: string; reason?: string; message?: string }[]
  }
}

test('a pod has as a whole what it was given, and is resized in place', async () => {
  const sized = (cpu: string, memory: string): object => ({ requests: { cpu, memory }, limits: { cpu, memory } })
  await cluster.apply(shellPod('whole', 'exec sleep 100000', { resources: sized('200m', '64Mi') }))
  await cluster.kubectl(['wait', 'pod/whole', '--for=condition=Ready', '--timeout=30s'])
  const { metadata, status } = await cluster.get<ResizedView>('pod', 'whole')
  assert.deepEqual(
    [status.resources?.limits, status.allocatedResources],
    [
      { cpu: '200m', memory: '64Mi' },
      { cpu: '200m', memory: '64Mi' },
    ],
  )
  const group = `kubepods/pod${metadata.uid}`
  const inForce = async (): Promise<string> =>
    nodeShell(
      `cd /sys/fs/cgroup; if [ -e cgroup.controllers ]; then cat ${group}/memory.max ${group}/cpu.max; else cat memory/${group}/memory.limit_in_bytes cpu/${group}/cpu.cfs_quota_us; fi; ls memory/${group} ${group} 2>/dev/null | grep -c '^[0-9a-f]\\{64\\}$'`,
    )
  const [memory, quota, containers] = (await inForce()).split('\n')
  assert.deepEqual([memory, quota?.split(' ')[0], containers], [String(64 * 2 ** 20), '20000', '1'])
  const resize = (cpu: string, size: string): Promise<unknown> =>
    cluster.kubectl(['patch', 'pod', 'whole', '--subresource', 'resize', '-p', JSON.stringify({ spec: { resources: sized(cpu, size) } })])
  for (const [cpu, size, bytes, microseconds] of [
    ['400m', '128Mi', 128 * 2 ** 20, 40_000],
    ['100m', '96Mi', 96 * 2 ** 20, 10_000],
  ] as const) {
    await resize(cpu, size)
    await eventually(`${cpu} and ${size} to be in force`, async () => {
      const [memoryNow, quotaNow] = (await inForce()).split('\n')
      const { status: now } = await cluster.get<ResizedView>('pod', 'whole')
      const isOver = !now.conditions.some(({ type }) => type.startsWith('PodResize'))
      return (
        isOver && memoryNow === String(bytes) && quotaNow?.split(' ')[0] === String(microseconds) && now.resources?.limits?.['cpu'] === cpu
      )
    })
  }
  assert.equal((await cluster.get<PodView>('pod', 'whole')).status.containerStatuses?.[0]?.restartCount, 0)
  await assert.rejects(resize('9000', '96Mi'), /node didn't have enough allocatable resources: cpu, requested: 9000000, allocatable: \d+/)
  await cluster.apply(shellPod('beside', 'exec sleep 100000', { resources: sized('100m', '16Mi') }))
  await cluster.kubectl(['wait', 'pod/beside', '--for=condition=Ready', '--timeout=30s'])
  const [node] = (await cluster.get<{ items: { status: { allocatable: { cpu: string } } }[] }>('nodes')).items
  await resize(node?.status.allocatable.cpu ?? '', '96Mi')
  const pending = await eventually('the refusal', async () =>
    (await cluster.get<ResizedView>('pod', 'whole')).status.conditions.find(({ type }) => type === 'PodResizePending'),
  )
  assert.equal(pending.reason, 'Deferred')
  assert.match(pending.message ?? '', /^Node didn't have enough resource: cpu, requested: \d+, used: \d+, capacity: \d+$/)
})

function hugeContainer(): object {
  const amounts = { 'hugepages-2Mi': '4Mi', memory: '16Mi', cpu: '10m' }
  return { name: 'shell', image: BUSYBOX, command: ['true'], resources: { requests: amounts, limits: amounts } }
}
