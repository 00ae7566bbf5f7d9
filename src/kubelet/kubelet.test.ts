import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { configmaps, persistentvolumeclaims, persistentvolumes, pods, secrets, serviceaccounts } from '../api/kinds/core/v1.ts'
import type { Container } from '../api/kinds/core/v1.ts'
import { main, newPod, NODE, phase, waitingReason, world } from './testing/world.ts'

test('a pod runs, reports itself Running and Ready, and is deleted within its grace', async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('web'))
  await w.until('running', () => phase(w, 'web') === 'Running')
  const { status } = w.pod('web')
  assert.equal(status?.podIP, '10.244.0.1')
  assert.equal(status?.qosClass, 'BestEffort')
  assert.equal(status?.conditions?.find((c) => c.type === 'Ready')?.status, 'True')
  assert.equal(status?.containerStatuses?.[0]?.started, true)
  assert.match(status?.containerStatuses?.[0]?.containerID ?? '', /^docker:\/\/container-/)
  const hosts = await readFile(join(w.rootDir, 'pods/uid-web/etc-hosts'), 'utf8')
  assert.match(hosts, /10\.244\.0\.1\tweb/)
  const { metadata } = w.pod('web')
  w.api.put(pods, { ...w.pod('web'), metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 5 } })
  await w.until('gone', () => w.pod('web') === undefined && w.runtime.containers.size === 0 && w.runtime.sandboxes.size === 0)
  assert.ok(w.runtime.calls.includes('stop main 5'))
  assert.deepEqual(
    w.events.filter((e) => e.includes('Killing')),
    ['Normal Killing web: Stopping container main'],
  )
})

test('a pod whose containers are done succeeds and keeps its container for the log', async (t) => {
  const w = await world(t)
  w.runtime.exitAtOnce.set('main', 0)
  w.api.put(pods, newPod('job', { restartPolicy: 'Never' }))
  await w.until('succeeded', () => phase(w, 'job') === 'Succeeded')
  assert.equal(w.pod('job').status?.containerStatuses?.[0]?.state?.terminated?.reason, 'Completed')
  await w.until('sandbox stopped', () => [...w.runtime.sandboxes.values()].every((s) => s.state === 'NotReady'))
  assert.equal(w.runtime.containers.size, 1)
  assert.equal(w.runtime.calls.filter((call) => call.startsWith('createSandbox')).length, 1)
})

test('a container that keeps failing backs off 10 s, then 20 s', async (t) => {
  const w = await world(t)
  w.runtime.exitAtOnce.set('main', 1)
  w.api.put(pods, newPod('crash'))
  await w.until('backing off', () => waitingReason(w, 'crash') === 'CrashLoopBackOff')
  assert.equal(w.pod('crash').status?.phase, 'Running')
  assert.equal(w.pod('crash').status?.containerStatuses?.[0]?.restartCount, 1)
  const starts = (): number => w.runtime.calls.filter((call) => call.startsWith('start main')).length
  assert.equal(starts(), 2)
  await w.clock.advance(9000)
  assert.equal(starts(), 2)
  await w.clock.advance(2000)
  await w.until('third start', () => starts() === 3)
  await w.until(
    'longer backoff',
    () => w.pod('crash').status?.containerStatuses?.[0]?.state?.waiting?.message?.startsWith('back-off 20s') === true,
  )
  assert.ok(w.events.some((e) => e.includes('Back-off restarting failed container main in pod crash_default(uid-crash)')))
  // Old containers do not pile up.
  await w.until('old containers removed', () => w.runtime.containers.size <= 2)
})

test('init containers run in order, a sidecar stays, and the pod ends when its regular containers do', async (t) => {
  const w = await world(t)
  w.runtime.exitAtOnce.set('first', 0)
  w.api.put(
    pods,
    newPod('inits', {
      restartPolicy: 'Never',
      initContainers: [
        { name: 'first', image: 'busybox:1.36' },
        { name: 'side', image: 'busybox:1.36', restartPolicy: 'Always' },
      ],
    }),
  )
  await w.until('running', () => phase(w, 'inits') === 'Running')
  assert.deepEqual(
    w.runtime.calls.filter((c) => c.startsWith('start')),
    ['start first 0', 'start side 0', 'start main 0'],
  )
  w.runtime.end(w.runtime.newest('main')?.id ?? '', 3)
  await w.until('failed', () => phase(w, 'inits') === 'Failed')
  assert.equal(w.runtime.newest('side')?.state, 'Exited')
})

test('at the end the hooks of all containers run at once; sidecars are stopped after those they serve, the last one first', async (t) => {
  const w = await world(t)
  const preStop = { exec: { command: ['bye'] } }
  const side = (name: string): Container => ({ ...main, name, restartPolicy: 'Always', lifecycle: { preStop } })
  w.api.put(pods, newPod('sided', { initContainers: [side('first'), side('second')], containers: [{ ...main, lifecycle: { preStop } }] }))
  await w.until('running', () => phase(w, 'sided') === 'Running')
  const { metadata } = w.pod('sided')
  w.api.put(pods, {
    ...w.pod('sided'),
    metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 9 },
  })
  await w.until('gone', () => w.pod('sided') === undefined)
  const calls = w.runtime.calls.filter((call) => /^(exec|stop) /.test(call))
  assert.deepEqual(calls.slice(0, 3).sort(), ['exec first bye', 'exec main bye', 'exec second bye'])
  assert.deepEqual(calls.slice(3), ['stop main 9', 'stop second 9', 'stop first 9'])
})

test('a restarted kubelet finds its containers and starts none anew', async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('stay'))
  await w.until('running', () => phase(w, 'stay') === 'Running')
  const before = w.runtime.calls.length
  await w.restart()
  w.api.put(pods, newPod('second'))
  await w.until('second runs', () => phase(w, 'second') === 'Running')
  assert.deepEqual(w.runtime.calls.slice(before), ['createSandbox second 0', 'create main 0', 'start main 0'])
  assert.equal(phase(w, 'stay'), 'Running')
})

test('a pod deleted while the kubelet was away is stopped and removed', async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('lost'))
  await w.until('running', () => phase(w, 'lost') === 'Running')
  w.api.failNext = undefined
  const restarting = w.restart()
  w.api.remove(pods, 'default', 'lost')
  await restarting
  await w.until('cleaned', () => w.runtime.containers.size === 0 && w.runtime.sandboxes.size === 0)
})

test('a ConfigMap that is missing holds the pod back; once it is there the pod runs, and its file follows it', async (t) => {
  const w = await world(t)
  w.api.put(serviceaccounts, { metadata: { name: 'default', namespace: 'default', uid: '', creationTimestamp: '', resourceVersion: '' } })
  const file = join(w.rootDir, 'pods/uid-conf/volumes/kubernetes.io~configmap/conf/key')
  w.api.put(
    pods,
    newPod('conf', {
      containers: [
        {
          ...main,
          volumeMounts: [{ name: 'conf', mountPath: '/conf' }],
          env: [{ name: 'K', valueFrom: { configMapKeyRef: { name: 'settings', key: 'key' } } }],
        },
      ],
      volumes: [{ name: 'conf', configMap: { name: 'settings' } }],
    }),
  )
  await w.until('failed mount', () =>
    w.events.some((e) => e.includes('MountVolume.SetUp failed for volume "conf" : configmap "settings" not found')),
  )
  assert.equal(waitingReason(w, 'conf'), 'ContainerCreating')
  const settings = (value: string) => ({
    metadata: { name: 'settings', namespace: 'default', uid: 'u', creationTimestamp: '', resourceVersion: '' },
    data: { key: value },
  })
  w.api.put(configmaps, settings('one'))
  await w.until('running', () => phase(w, 'conf') === 'Running')
  assert.equal(await readFile(file, 'utf8'), 'one')
  const config = w.runtime.configs.get(w.runtime.newest('main')?.id ?? '')
  assert.deepEqual(
    config?.env.find(([name]) => name === 'K'),
    ['K', 'one'],
  )
  w.api.put(configmaps, settings('two'))
  let content = ''
  await w.until('file updated', () => {
    void readFile(file, 'utf8').then((text) => (content = text))
    return content === 'two'
  })
})

test('activeDeadlineSeconds ends the pod', async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('late', { activeDeadlineSeconds: 60 }))
  await w.until('running', () => phase(w, 'late') === 'Running')
  await w.clock.advance(61_000)
  await w.until('failed', () => phase(w, 'late') === 'Failed')
  assert.equal(w.pod('late').status?.reason, 'DeadlineExceeded')
  await w.until('stopped', () => w.runtime.newest('main')?.state === 'Exited')
})

test('a failed liveness probe restarts the container; readiness decides whether the pod is ready', async (t) => {
  const w = await world(t)
  let ready = false
  let alive = true
  w.runtime.onExec = (_, [command]) => ((command === 'ready' ? ready : alive) ? 0 : 1)
  w.api.put(
    pods,
    newPod('probed', {
      containers: [
        {
          ...main,
          readinessProbe: { exec: { command: ['ready'] }, periodSeconds: 5 },
          livenessProbe: { exec: { command: ['alive'] }, periodSeconds: 10, failureThreshold: 2 },
        },
      ],
    }),
  )
  await w.until('running', () => phase(w, 'probed') === 'Running')
  const isReady = (): boolean => w.pod('probed').status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True'
  assert.equal(isReady(), false)
  ready = true
  await w.clock.advance(5000)
  await w.until('ready', isReady)
  alive = false
  for (let second = 0; second < 25; second++) {
    await w.clock.advance(1000)
    await w.until('a turn', () => true)
  }
  alive = true
  await w.until('restarted', () => w.pod('probed').status?.containerStatuses?.[0]?.restartCount === 1)
  assert.ok(w.events.includes('Normal Killing probed: Container main failed liveness probe, will be restarted'))
})

test('a pod that is being stopped tells when it is not ready any more', async (t) => {
  const w = await world(t)
  w.runtime.stubborn = true
  let ready = true
  w.runtime.onExec = () => (ready ? 0 : 1)
  const readinessProbe = { exec: { command: ['ready'] }, periodSeconds: 5, failureThreshold: 1 }
  w.api.put(pods, newPod('leaving', { containers: [{ ...main, readinessProbe }], terminationGracePeriodSeconds: 300 }))
  const isReady = (): boolean => w.pod('leaving').status?.conditions?.find((c) => c.type === 'Ready')?.status === 'True'
  await w.until('ready', isReady)
  const { metadata } = w.pod('leaving')
  w.api.put(pods, { ...w.pod('leaving'), metadata: { ...metadata, deletionTimestamp: 'now', deletionGracePeriodSeconds: 300 } })
  await w.until('stopping', () => w.runtime.calls.includes('stop main 300'))
  assert.ok(isReady())
  ready = false
  await w.clock.advance(5000)
  await w.until('not ready', () => !isReady())
  assert.equal(w.runtime.newest('main')?.state, 'Running')
})

test('a grace period under way can be shortened', async (t) => {
  const w = await world(t)
  w.runtime.stubborn = true
  w.api.put(pods, newPod('slow', { terminationGracePeriodSeconds: 300 }))
  await w.until('running', () => phase(w, 'slow') === 'Running')
  const deleting = (seconds: number): void => {
    w.api.put(pods, {
      ...w.pod('slow'),
      metadata: { ...w.pod('slow').metadata, deletionTimestamp: 'now', deletionGracePeriodSeconds: seconds },
    })
  }
  deleting(300)
  await w.until('stopping', () => w.runtime.calls.includes('stop main 300'))
  deleting(3)
  await w.until('stopping sooner', () => w.runtime.calls.includes('stop main 3'))
  await w.clock.advance(4000)
  await w.until('gone', () => w.pod('slow') === undefined)
})

test('a dead sandbox is replaced', async (t) => {
  const w = await world(t)
  w.api.put(pods, newPod('sand'))
  await w.until('running', () => phase(w, 'sand') === 'Running')
  const [sandbox] = w.runtime.sandboxes.values()
  await w.runtime.stopSandbox(sandbox?.id ?? '')
  await w.until('new sandbox', () => w.runtime.calls.includes('createSandbox sand 1'))
  await w.until(
    'new address',
    () => w.pod('sand').status?.podIP !== '10.244.0.1' && w.pod('sand').status?.containerStatuses?.[0]?.restartCount === 1,
  )
})

test('a pod deleted before anything of it ran goes at once', async (t) => {
  const w = await world(t)
  w.runtime.failSandbox = new Error('no address left')
  w.api.put(pods, newPod('early'))
  await w.until('sandbox failure', () =>
    w.events.includes('Warning FailedCreatePodSandBox early: Failed to create pod sandbox: no address left'),
  )
  w.api.put(pods, { ...w.pod('early'), metadata: { ...w.pod('early').metadata, deletionTimestamp: 'now', deletionGracePeriodSeconds: 30 } })
  await w.until('gone', () => w.pod('early') === undefined)
})

test('a claim bound to a hostPath volume is mounted; one that is not bound holds the pod back', async (t) => {
  const w = await world(t)
  const meta = (name: string, namespace?: string) => ({
    name,
    ...(namespace && { namespace }),
    uid: name,
    creationTimestamp: '',
    resourceVersion: '',
  })
  const path = join(w.rootDir, 'disk')
  w.api.put(persistentvolumes, {
    metadata: meta('pv'),
    spec: { hostPath: { path, type: 'DirectoryOrCreate' }, accessModes: ['ReadWriteOnce'], claimRef: { uid: 'claim' } },
  })
  const claim = (bound: boolean) => ({
    metadata: { ...meta('claim'), namespace: 'default' },
    spec: bound ? { volumeName: 'pv' } : {},
    status: { phase: bound ? 'Bound' : 'Pending' },
  })
  w.api.put(persistentvolumeclaims, claim(false))
  w.api.put(
    pods,
    newPod('disk', {
      containers: [{ ...main, volumeMounts: [{ name: 'd', mountPath: '/d', subPath: 'in' }] }],
      volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'claim' } }],
    }),
  )
  await w.until('not bound', () =>
    w.events.some((e) => e.includes('failed to process volumes=[d]: error processing PVC default/claim: PVC is not bound')),
  )
  w.api.put(persistentvolumeclaims, claim(true))
  await w.clock.advance(30_000)
  await w.until('running', () => phase(w, 'disk') === 'Running')
  const mount = w.runtime.configs.get(w.runtime.newest('main')?.id ?? '')?.mounts.find((m) => m.containerPath === '/d')
  assert.deepEqual(mount, {
    hostPath: join(w.rootDir, 'pods/uid-disk/volume-subpaths/d/main/0'),
    containerPath: '/d',
    readOnly: false,
    propagation: 'None',
  })
})

test('a pod whose bandwidth cannot be had is told why it has no sandbox', async (t) => {
  const w = await world(t)
  const pod = newPod('narrow', { containers: [main] })
  w.api.put(pods, { ...pod, metadata: { ...pod.metadata, annotations: { 'kubernetes.io/ingress-bandwidth': '1' } } })
  const told = 'Warning FailedCreatePodSandBox narrow: Failed to create pod sandbox: resource is unreasonably small (< 1kbit)'
  await w.until('the event', () => w.events.includes(told))
})

test('a volume of a kind that this node cannot make is named', async (t) => {
  const w = await world(t)
  w.api.put(
    pods,
    newPod('nfs', {
      containers: [{ ...main, volumeMounts: [{ name: 'n', mountPath: '/n' }] }],
      volumes: [{ name: 'n', cephfs: { monitors: ['m'] } }],
    }),
  )
  await w.until('failed mount', () =>
    w.events.some((e) =>
      e.includes('FailedMount nfs: MountVolume.SetUp failed for volume "n" : volumes of type cephfs are not supported on this node'),
    ),
  )
})

test('changed limits are applied without a restart', async (t) => {
  const w = await world(t)
  const sized = (cpu: string): Container[] => [{ ...main, resources: { limits: { cpu, memory: '1Gi' } } }]
  w.api.put(pods, newPod('sized', { containers: sized('1') }))
  await w.until('running', () => phase(w, 'sized') === 'Running')
  w.api.put(pods, {
    ...w.pod('sized'),
    metadata: { ...w.pod('sized').metadata, generation: 2 },
    spec: { nodeName: NODE, containers: sized('2') },
  })
  await w.until('resized', () => w.pod('sized').status?.containerStatuses?.[0]?.resources?.limits?.cpu === '2')
  assert.deepEqual(
    w.runtime.calls.filter((c) => c.startsWith('update')),
    ['update main 200000'],
  )
  assert.equal(w.pod('sized').status?.observedGeneration, 2)
  assert.equal(w.pod('sized').status?.containerStatuses?.[0]?.restartCount, 0)
})

test('a container that cannot be started is tried again after a while, not at once', async (t) => {
  const w = await world(t)
  w.api.put(
    pods,
    newPod('env', { containers: [{ ...main, env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'late', key: 'k' } } }] }] }),
  )
  await w.until('config error', () => waitingReason(w, 'env') === 'CreateContainerConfigError')
  assert.equal(w.pod('env').status?.containerStatuses?.[0]?.state?.waiting?.message, 'secret "late" not found')
  const tries = (): number => w.events.filter((e) => e.includes('Error: secret "late" not found')).length
  const before = tries()
  await w.clock.advance(9000)
  assert.equal(tries(), before)
  w.api.put(secrets, {
    metadata: { name: 'late', namespace: 'default', uid: 's', creationTimestamp: '', resourceVersion: '' },
    data: { k: 'dg==' },
  })
  await w.until('running', () => phase(w, 'env') === 'Running')
})

test('a block volume that is none, and a claim that is used in another way than its mode, are told of', async (t) => {
  const w = await world(t)
  const meta = (name: string) => ({ name, uid: name, creationTimestamp: '', resourceVersion: '' })
  for (const [name, volumeMode] of [
    ['raw', 'Block'],
    ['files', 'Filesystem'],
  ] as const) {
    w.api.put(persistentvolumes, {
      metadata: meta(name),
      spec: { local: { path: w.rootDir }, volumeMode, accessModes: ['ReadWriteOnce'], claimRef: { uid: name } },
    })
    w.api.put(persistentvolumeclaims, {
      metadata: { ...meta(name), namespace: 'default' },
      spec: { volumeName: name },
      status: { phase: 'Bound' },
    })
    w.api.put(
      pods,
      newPod(name, {
        containers: [{ ...main, volumeDevices: [{ name: 'd', devicePath: '/dev/xvda' }] }],
        volumes: [{ name: 'd', persistentVolumeClaim: { claimName: name } }],
      }),
    )
  }
  const told = (text: string) => w.events.some((event) => event.includes(text))
  await w.until(
    'told',
    () => told('is not a block device of this node') && told('volume d has volumeMode Filesystem, but is specified in volumeDevices'),
  )
})
