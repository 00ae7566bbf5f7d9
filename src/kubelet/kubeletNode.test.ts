import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { leases } from '../api/kinds/coordination/v1.ts'
import { nodes, pods } from '../api/kinds/core/v1.ts'
import type { PodSpec } from '../api/kinds/core/v1.ts'
import { main, newPod, NODE, phase, world } from './testing/world.ts'

test('the node is registered Ready and has a lease', async (t) => {
  const w = await world(t)
  await w.until('lease', () => w.api.get(leases, 'kube-node-lease', NODE) !== undefined)
  const node = w.api.get(nodes, '', NODE)
  assert.equal(node?.status?.conditions?.find((c) => c.type === 'Ready')?.status, 'True')
  assert.equal(node?.status?.capacity?.cpu, '2')
  assert.equal(node?.metadata.labels?.['kubernetes.io/hostname'], NODE)
  assert.equal(w.api.requests.filter((r) => r.startsWith('patch nodes/status')).length, 0)
})

test('events tell of the node: that it began, is cordoned, and was started anew', async (t) => {
  const w = await world(t)
  const reasons = (): string[] => w.events.filter((event) => event.includes(` ${NODE}: `)).map((event) => event.split(' ')[1] ?? '')
  const begun = [
    'Starting',
    'NodeHasSufficientMemory',
    'NodeHasNoDiskPressure',
    'NodeHasSufficientPID',
    'NodeAllocatableEnforced',
    'NodeReady',
  ]
  await w.until('begun', () => w.runtime.followed && reasons().length === begun.length)
  assert.deepEqual(reasons(), begun)
  const change = (unschedulable: boolean, bootID?: string): void => {
    const node = w.api.get(nodes, '', NODE)
    const nodeInfo = node?.status?.nodeInfo
    if (!node || !nodeInfo) throw new Error('there is no node')
    w.api.put(nodes, {
      ...node,
      spec: { ...node.spec, unschedulable },
      status: { ...node.status, nodeInfo: { ...nodeInfo, ...(bootID && { bootID }) } },
    })
  }
  for (const [unschedulable, reason] of [
    [true, 'NodeNotSchedulable'],
    [false, 'NodeSchedulable'],
  ] as const) {
    change(unschedulable)
    await w.clock.advance(11_000)
    await w.until(reason, () => reasons().at(-1) === reason)
  }
  change(false, 'another')
  await w.restart()
  await w.until('again', () => reasons().length === begun.length + 6)
  assert.deepEqual(reasons().slice(-4), ['Rebooted', 'Starting', 'NodeAllocatableEnforced', 'NodeReady'])
})

test('a pod that does not fit fails with the reason, and leaves those that run alone', async (t) => {
  const w = await world(t)
  const asking = (cpu: string): Partial<PodSpec> => ({ containers: [{ ...main, resources: { requests: { cpu } } }] })
  w.api.put(pods, newPod('first', asking('1500m')))
  await w.until('running', () => phase(w, 'first') === 'Running')
  w.api.put(pods, newPod('second', asking('1')))
  await w.until('rejected', () => phase(w, 'second') === 'Failed')
  const { reason, message } = w.pod('second').status ?? {}
  assert.deepEqual(
    { reason, message },
    { reason: 'OutOfcpu', message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 1500, capacity: 2000" },
  )
  assert.equal(w.pod('second').status?.containerStatuses, undefined)
  assert.equal(w.runtime.calls.filter((call) => call.startsWith('createSandbox second')).length, 0)
  await w.restart()
  await w.until('known again', () => w.events.filter((event) => event.includes('NodeReady')).length === 2)
  assert.equal(phase(w, 'first'), 'Running')
})

test('the node is NotReady once its runtime was away for 30 s, and Ready when it is back', async (t) => {
  const w = await world(t)
  const ready = () => w.api.get(nodes, '', NODE)?.status?.conditions?.find((condition) => condition.type === 'Ready')
  await w.until('ready', () => ready()?.status === 'True')
  await w.until('followed', () => w.runtime.followed)
  w.runtime.down = new Error('connection refused')
  w.runtime.breakConnection()
  await w.until('noticed', () => !w.runtime.followed)
  await w.clock.advance(29_000)
  assert.equal(ready()?.status, 'True')
  await w.clock.advance(2000)
  await w.until('not ready', () => ready()?.status === 'False')
  assert.deepEqual([ready()?.reason, ready()?.message], ['KubeletNotReady', 'container runtime is down: connection refused'])
  w.runtime.down = undefined
  await w.clock.advance(5000)
  await w.until('ready again', () => ready()?.status === 'True')
})

test('what somebody says that the node has can be had, until they take it away', async (t) => {
  const w = await world(t)
  await w.until('ready', () => w.api.get(nodes, '', NODE) !== undefined)
  const advertise = (capacity: object): void => {
    const node = w.api.get(nodes, '', NODE)
    if (!node) throw new Error('there is no node')
    w.api.put(nodes, { ...node, status: { ...node.status, capacity: { ...node.status?.capacity, ...capacity } } })
  }
  const dongles = (): string | null | undefined => w.api.get(nodes, '', NODE)?.status?.allocatable?.['example.com/dongle']
  advertise({ 'example.com/dongle': '4' })
  await w.clock.advance(11_000)
  await w.until('it can be had', () => dongles() === '4')
  assert.equal(w.api.get(nodes, '', NODE)?.status?.capacity?.['example.com/dongle'], '4')
  advertise({ 'example.com/dongle': undefined })
  await w.clock.advance(11_000)
  await w.until('it cannot be had any more', () => !dongles())
})

test('an image that somebody loaded is soon in the status of the node', async (t) => {
  const w = await world(t)
  await w.until('followed', () => w.runtime.followed)
  w.runtime.loadImage('mine:dev')
  await w.clock.advance(1000)
  await w.until('listed', () => w.api.get(nodes, '', NODE)?.status?.images?.some(({ names }) => names?.includes('mine:dev')) === true)
})

test("an ephemeral container sees its target's processes; without a running target it waits with a reason", async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('web'))
  await w.until('running', () => phase(w, 'web') === 'Running')
  const debuggers = ['main', 'nobody'].map((targetContainerName, n) => ({ name: `debug-${n}`, image: 'busybox:1.36', targetContainerName }))
  w.api.put(pods, { ...w.pod('web'), spec: { ...w.pod('web').spec, containers: [main], ephemeralContainers: debuggers } })
  const statusOf = (name: string) => w.pod('web').status?.ephemeralContainerStatuses?.find((status) => status.name === name)
  await w.until(
    'both told of',
    () => statusOf('debug-0')?.state?.running !== undefined && statusOf('debug-1')?.state?.waiting?.reason !== 'ContainerCreating',
  )
  assert.equal(w.runtime.configs.get(w.runtime.newest('debug-0')?.id ?? '')?.targetContainerId, w.runtime.newest('main')?.id)
  assert.deepEqual(statusOf('debug-1')?.state?.waiting, {
    reason: 'CreateContainerConfigError',
    message: 'unable to find target container "nobody"',
  })
})

test('a node that stops ends its pods within its own bound; those that cannot run again have failed', async (t) => {
  const w = await world(t)
  const preStop = { exec: { command: ['bye'] } }
  w.api.put(pods, newPod('server', { terminationGracePeriodSeconds: 60, containers: [{ ...main, lifecycle: { preStop } }] }))
  w.api.put(pods, newPod('task', { restartPolicy: 'Never', terminationGracePeriodSeconds: 3 }))
  await w.until('running', () => phase(w, 'server') === 'Running' && phase(w, 'task') === 'Running')
  await w.shutDown(10)
  assert.deepEqual(w.runtime.calls.filter((call) => /^(exec|stop) /.test(call)).sort(), ['exec main bye', 'stop main 10', 'stop main 3'])
  const { status } = w.pod('task')
  assert.deepEqual(
    [status?.phase, status?.reason, status?.conditions?.find((c) => c.type === 'DisruptionTarget')?.reason],
    ['Failed', 'Terminated', 'TerminationByKubelet'],
  )
  assert.equal(phase(w, 'server'), 'Running')
  await w.restart()
  await w.until('the server runs again', () => w.pod('server').status?.containerStatuses?.[0]?.restartCount === 1)
  assert.equal(w.runtime.calls.filter((call) => call.startsWith('createSandbox task')).length, 1)
  await w.until('the end is told', () => w.pod('task').status?.containerStatuses?.[0]?.state?.terminated !== undefined)
  assert.equal(w.pod('task').status?.reason, 'Terminated')
})

test('a node that cannot tell of its pods ends them in good order all the same', async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('task', { restartPolicy: 'Never', terminationGracePeriodSeconds: 3 }))
  await w.until('running', () => phase(w, 'task') === 'Running')
  w.api.failNext = { verb: 'patch', error: new Error('connection refused') }
  await w.shutDown(10)
  assert.deepEqual(
    w.runtime.calls.filter((call) => call.startsWith('stop ')),
    ['stop main 3'],
  )
  assert.equal(w.api.failNext, undefined)
})

test('pods that were given time for a shutdown end by priority within it and have failed; others are refused meanwhile', async (t) => {
  const w = await world(t, {
    shutdownPeriods: [
      { priority: 0, seconds: 20 },
      { priority: 1000, seconds: 5 },
    ],
  })
  w.api.put(pods, newPod('low', { priority: 10, terminationGracePeriodSeconds: 30 }))
  w.api.put(pods, newPod('high', { priority: 5000, terminationGracePeriodSeconds: 30 }))
  w.api.put(pods, newPod('brief', { terminationGracePeriodSeconds: 3, containers: [{ ...main, name: 'brief' }] }))
  await w.until('running', () => ['low', 'high', 'brief'].every((name) => phase(w, name) === 'Running'))
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
  w.runtime.stopping = held
  const over = w.endGracefully()
  const failed = (name: string): boolean => phase(w, name) === 'Failed'
  await w.until('told', () => failed('low') && failed('brief'))
  const ready = () => w.api.get(nodes, '', NODE)?.status?.conditions?.find((condition) => condition.type === 'Ready')
  await w.until('not ready', () => ready()?.status === 'False')
  assert.equal(ready()?.message, 'node is shutting down')
  w.api.put(pods, newPod('late'))
  await w.until('refused', () => failed('late'))
  assert.equal(w.pod('late').status?.reason, 'NodeShutdown')
  assert.equal(phase(w, 'high'), 'Running')
  letGo()
  await over
  assert.ok(failed('high'))
  assert.deepEqual(
    w.runtime.calls.filter((call) => call.startsWith('stop ')),
    ['stop main 20', 'stop brief 3', 'stop main 5'],
  )
  const { reason, message, conditions } = w.pod('high').status ?? {}
  assert.deepEqual([reason, message], ['Terminated', 'Pod was terminated in response to imminent node shutdown.'])
  assert.equal(conditions?.find(({ type }) => type === 'DisruptionTarget')?.reason, 'TerminationByKubelet')
  assert.ok(w.events.includes(`Normal Shutdown ${NODE}: Shutdown manager detected shutdown event`))
  const ended = w.metric('kubelet_graceful_shutdown_end_time_seconds')
  assert.ok(ended !== undefined && ended > 0)
  await w.restart()
  await w.until('remembered', () => w.metric('kubelet_graceful_shutdown_end_time_seconds') === ended)
})

test('a critical pod that does not fit has others end for it, waits for them, and runs', async (t) => {
  const w = await world(t)
  const asking = (cpu: string, spec: Partial<PodSpec> = {}): Partial<PodSpec> => ({
    ...spec,
    containers: [{ ...main, resources: { requests: { cpu } } }],
  })
  w.api.put(pods, newPod('kept', asking('500m')))
  w.api.put(pods, newPod('victim', asking('1200m')))
  await w.until('running', () => phase(w, 'kept') === 'Running' && phase(w, 'victim') === 'Running')
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
  w.runtime.stopping = held
  w.api.put(pods, newPod('critical', asking('1', { priority: 2_000_000_000 })))
  await w.until('preempted', () => phase(w, 'victim') === 'Failed')
  const { reason, message, conditions } = w.pod('victim').status ?? {}
  const disrupted = conditions?.find(({ type }) => type === 'DisruptionTarget')
  assert.deepEqual([reason, message], ['Preempting', 'Preempted in order to admit critical pod'])
  assert.equal(disrupted?.message, 'Pod was preempted by Kubelet to accommodate a critical pod.')
  assert.ok(w.events.includes('Warning Preempting victim: Preempted in order to admit critical pod'))
  w.api.put(pods, newPod('next', asking('1')))
  await w.until('the room is taken', () => phase(w, 'next') === 'Failed')
  assert.equal(w.pod('next').status?.reason, 'OutOfcpu')
  assert.ok(!w.runtime.calls.some((call) => call.startsWith('createSandbox critical')))
  letGo()
  await w.until('running', () => phase(w, 'critical') === 'Running')
  assert.equal(phase(w, 'kept'), 'Running')
  assert.equal(w.metric('kubelet_preemptions'), 1)
})

test('pods that come together are not given the same room', async (t) => {
  const w = await world(t)
  const asking = { containers: [{ ...main, resources: { requests: { cpu: '1500m' } } }] }
  for (const name of ['one', 'two']) w.api.put(pods, newPod(name, asking))
  await w.until('judged', () => ['one', 'two'].every((name) => ['Running', 'Failed'].includes(phase(w, name) ?? '')))
  assert.deepEqual(['one', 'two'].map((name) => phase(w, name)).sort(), ['Failed', 'Running'])
})

const manifest = (command: string): string => `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {tier: static}}
spec: {terminationGracePeriodSeconds: 5, containers: [{name: main, image: "busybox:1.36", command: [${command}]}]}
`

test('a static pod runs from its file, has a mirror, and goes with its file', async (t) => {
  const w = await world(t)
  const file = join(w.rootDir, 'manifests/web.yaml')
  await mkdir(join(w.rootDir, 'manifests'), { recursive: true })
  await w.until('ready', () => w.runtime.followed)
  // The file is seen at a moment of the machine's own, and then waited upon for a while of the test's.
  const soon = async (what: string, done: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 2000 && !done(); turn++) {
      await w.clock.advance(20)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.ok(done(), what)
  }
  await writeFile(file, manifest('sleep'))
  const name = `web-${NODE}`
  await soon('mirrored', () => phase(w, name) === 'Running')
  const first = w.pod(name).metadata
  assert.equal(first.annotations?.['kubernetes.io/config.source'], 'file')
  assert.equal(first.annotations?.['kubernetes.io/config.mirror'], first.annotations?.['kubernetes.io/config.hash'])
  assert.deepEqual([first.labels, first.ownerReferences?.[0]?.kind], [{ tier: 'static' }, 'Node'])
  const container = w.runtime.newest('main')?.id

  w.api.remove(pods, 'default', name)
  await w.until('mirrored again', () => phase(w, name) === 'Running')
  await w.restart()
  await w.until('known again', () => w.events.filter((event) => event.includes('NodeReady')).length === 2 && w.runtime.followed)
  await w.clock.advance(1000)
  assert.equal(w.runtime.newest('main')?.id, container)
  assert.equal(w.runtime.newest('main')?.state, 'Running')

  await writeFile(file, manifest('sleep, "1"'))
  await soon('replaced', () => w.runtime.newest('main')?.id !== container && phase(w, name) === 'Running')
  assert.notEqual(w.pod(name).metadata.annotations?.['kubernetes.io/config.hash'], first.annotations?.['kubernetes.io/config.hash'])
  assert.ok(w.runtime.calls.includes('stop main 5'))
  await rm(file)
  await soon('gone', () => w.pod(name) === undefined && w.runtime.containers.size === 0 && w.runtime.sandboxes.size === 0)
})

test('a node without memory says so, and for five minutes more', async (t) => {
  const w = await world(t)
  const pressure = () => w.api.get(nodes, '', NODE)?.status?.conditions?.find((condition) => condition.type === 'MemoryPressure')
  await w.until('fine', () => pressure()?.status === 'False')
  w.memory.availableBytes = 2 ** 20
  await w.clock.advance(10_000)
  await w.until('under pressure', () => pressure()?.status === 'True')
  assert.equal(pressure()?.reason, 'KubeletHasInsufficientMemory')
  w.memory.availableBytes = 2 ** 31
  await w.clock.advance(60_000)
  assert.equal(pressure()?.status, 'True')
  await w.clock.advance(5 * 60_000)
  await w.until('fine again', () => pressure()?.status === 'False')
})

test('a node without memory ends a pod, says why, and takes no other of its kind', async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('greedy'))
  await w.until('running', () => phase(w, 'greedy') === 'Running')
  w.memory.availableBytes = 2 ** 20
  await w.clock.advance(10_000)
  await w.until('evicted', () => phase(w, 'greedy') === 'Failed')
  const { reason, message, conditions } = w.pod('greedy').status ?? {}
  assert.equal(reason, 'Evicted')
  assert.match(message ?? '', /^The node was low on resource: memory\. Threshold quantity: 100Mi, available: 1Mi\. /)
  const disrupted = conditions?.find(({ type }) => type === 'DisruptionTarget')
  assert.deepEqual([disrupted?.status, disrupted?.reason, disrupted?.message], ['True', 'TerminationByKubelet', message])
  await w.until('stopped', () => [...w.runtime.containers.values()].every(({ state }) => state !== 'Running'))
  w.api.put(pods, newPod('later'))
  await w.until('refused', () => phase(w, 'later') === 'Failed')
  assert.equal(w.pod('later').status?.message, 'Pod was rejected: The node had condition: [MemoryPressure]. ')
})

test('a runtime that hangs makes the node NotReady, though no connection breaks', async (t) => {
  const w = await world(t)
  const ready = () => w.api.get(nodes, '', NODE)?.status?.conditions?.find((condition) => condition.type === 'Ready')
  await w.until('ready', () => ready()?.status === 'True')
  const { promise, resolve } = Promise.withResolvers<void>()
  w.runtime.silence = promise
  // Time goes by second after second, with turns in which the kubelet notices: it may not have asked when the silence began.
  for (let seconds = 0; seconds < 300 && ready()?.status !== 'False'; seconds++) {
    await w.clock.advance(1000)
    await new Promise((turn) => setTimeout(turn, 1))
  }
  assert.equal(ready()?.status, 'False')
  assert.equal(ready()?.message, 'container runtime is down: it has not answered for 10 s')
  resolve()
  await w.until('ready again', () => ready()?.status === 'True')
})
