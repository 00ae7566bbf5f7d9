/**
 * A storage driver on a cluster: its node service runs on the node as drivers do, its controller beside the test. Volumes on
 * demand, attached, staged, published, grown, counted and taken away; and what pods see while the driver fails, hangs or is gone.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CsiController } from './csi/controller.ts'
import { eventually, shellPod, startedCluster, type Cluster } from './minicube.ts'

const DRIVER = 'disks.test.example'
const NODE = 'e2e-csi'
const FOLDER = '/var/lib/disks'
const REGISTRY = '/var/lib/kubelet/plugins_registry'
const FS_GROUP = 4321

let cluster: Cluster
let controller: CsiController
let program: string

const onNode = async (script: string, input = ''): Promise<string> =>
  (await cluster.minicube(['ssh', '--', 'sh', '-c', script], { input })).stdout.trim()

const startDriver = (): Promise<string> =>
  onNode(
    `mkdir -p ${FOLDER}; cat >${FOLDER}/driver.mjs; setsid node ${FOLDER}/driver.mjs ${DRIVER} ${NODE} ${FOLDER} ${REGISTRY} >${FOLDER}/log 2>&1 & echo $! >${FOLDER}/pid`,
    program,
  )
const endDriver = (signal: 'TERM' | 'KILL'): Promise<string> => onNode(`kill -${signal} $(cat ${FOLDER}/pid); rm -f ${FOLDER}/pid`)
const setFaults = (faults: object): Promise<string> => onNode(`cat >${FOLDER}/faults.json`, JSON.stringify(faults))

interface Call {
  method: string
  volume?: string
  context?: Record<string, string>
  attributes?: Record<string, string>
  secrets?: Record<string, string>
  access?: number
  block?: boolean
}

const calls = async (): Promise<Call[]> =>
  (await onNode(`cat ${FOLDER}/calls.jsonl`))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Call)
const lastCall = async (method: string): Promise<Call> => {
  const found = (await calls()).findLast((call) => call.method === method)
  assert.ok(found, `${method} was called`)
  return found
}

const STORAGE_CLASS = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'disks' },
  provisioner: DRIVER,
  allowVolumeExpansion: true,
  volumeBindingMode: 'WaitForFirstConsumer',
}
const CSI_DRIVER = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'CSIDriver',
  metadata: { name: DRIVER },
  spec: {
    attachRequired: true,
    podInfoOnMount: true,
    fsGroupPolicy: 'File',
    volumeLifecycleModes: ['Persistent', 'Ephemeral'],
    tokenRequests: [{ audience: 'disks' }],
  },
}
const claim = (name: string, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'disks', resources: { requests: { storage: '1Gi' } }, ...more },
})
const mounting = (name: string, volume: object, script = 'sleep 3600'): object => {
  const pod = shellPod(name, script, { securityContext: { fsGroup: FS_GROUP }, volumes: [{ name: 'd', ...volume }] }) as {
    spec: { containers: object[] }
  }
  const [container] = pod.spec.containers
  return { ...pod, spec: { ...pod.spec, containers: [{ ...container, volumeMounts: [{ name: 'd', mountPath: '/d' }] }] } }
}
const ofClaim = (claimName: string): object => ({ persistentVolumeClaim: { claimName } })

const ready = (name: string): Promise<unknown> => cluster.kubectl(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'])
const exec = async (pod: string, script: string): Promise<string> => (await cluster.kubectl(['exec', pod, '--', 'sh', '-c', script])).stdout
const told = (pod: string, text: RegExp): Promise<unknown> =>
  eventually(`${pod} is told ${String(text)}`, async () =>
    text.test(
      (await cluster.kubectl(['get', 'events', '--field-selector', `involvedObject.name=${pod}`, '-o', 'jsonpath={.items[*].message}']))
        .stdout,
    ),
  )
const drivers = async (): Promise<string> => (await cluster.kubectl(['get', 'csinode', NODE, '-o', 'jsonpath={.spec.drivers}'])).stdout
const isGone = (kind: string, name: string): Promise<unknown> =>
  eventually(`${kind} ${name} is gone`, async () => (await cluster.kubectl(['get', kind, name, '--ignore-not-found'])).stdout === '')
const noAttachments = (): Promise<unknown> =>
  eventually('nothing is attached', async () => (await cluster.get<{ items: unknown[] }>('volumeattachments')).items.length === 0)

before(async () => {
  const { build } = await import('esbuild')
  const entryPoints = [join(import.meta.dirname, 'csi/nodeService.ts')]
  const { outputFiles } = await build({ entryPoints, bundle: true, platform: 'node', format: 'esm', write: false })
  program = outputFiles[0]?.text ?? ''
  cluster = await startedCluster(NODE)
  await cluster.apply([STORAGE_CLASS, CSI_DRIVER])
  controller = await CsiController.start(cluster, DRIVER)
  await startDriver()
  await eventually('the driver is known', async () => (await drivers()).includes(DRIVER))
})
after(async () => {
  await controller?.stop()
  await cluster?.remove()
})

test('a volume is made for a claim, attached, staged and published; the pod writes to it as its group', async () => {
  await cluster.apply([claim('data'), mounting('writer', ofClaim('data'))])
  await ready('writer')
  await exec('writer', 'echo kept >/d/file')
  assert.match(await exec('writer', 'stat -c %g /d /d/file'), new RegExp(`^${FS_GROUP}\n${FS_GROUP}\n$`))
  const { context, attributes = {}, access } = await lastCall('NodePublishVolume')
  assert.deepEqual(context, { lun: '7' })
  assert.equal(access, 1)
  assert.equal(attributes['tier'], 'slow')
  assert.equal(attributes['csi.storage.k8s.io/pod.name'], 'writer')
  assert.equal(attributes['csi.storage.k8s.io/ephemeral'], 'false')
  const tokens = JSON.parse(attributes['csi.storage.k8s.io/serviceAccount.tokens'] ?? '{}') as Record<string, { token: string }>
  assert.match(tokens['disks']?.token ?? '', /^ey/)
  const { status } = await cluster.get<{ status: { volumesAttached: unknown[]; volumesInUse: string[] } }>('node', NODE)
  assert.equal(status.volumesAttached.length, 1)
  assert.match(status.volumesInUse[0] ?? '', new RegExp(`^kubernetes.io/csi/${DRIVER}\\^vol-`))
})

test('how full it is stands in the summary of the node', async () => {
  const pod = await eventually('the volume is told', async () => {
    const summary = JSON.parse((await cluster.kubectl(['get', '--raw', `/api/v1/nodes/${NODE}/proxy/stats/summary`])).stdout) as {
      pods: { podRef: { name: string }; volume?: { name: string; capacityBytes: number; pvcRef?: { name: string } }[] }[]
    }
    return summary.pods.find(({ podRef }) => podRef.name === 'writer')?.volume?.find(({ name }) => name === 'd')
  })
  assert.equal(pod.pvcRef?.name, 'data')
  assert.ok(pod.capacityBytes > 0)
})

test('it grows while the pod runs', async () => {
  await cluster.kubectl(['patch', 'pvc', 'data', '-p', '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}'])
  await eventually(
    'the claim has more',
    async () => {
      const { status } = await cluster.get<{ status: { capacity: { storage: string }; conditions?: unknown[] } }>('pvc', 'data')
      return status.capacity.storage === '2Gi' && !status.conditions?.length
    },
    60_000,
  )
  await lastCall('NodeExpandVolume')
})

test('an inline volume lives as long as its pod', async () => {
  await cluster.apply([mounting('inline', { csi: { driver: DRIVER, volumeAttributes: { a: 'b' } } })])
  await ready('inline')
  const { volume, attributes = {} } = await lastCall('NodePublishVolume')
  assert.match(volume ?? '', /^csi-[0-9a-f]{64}$/)
  assert.deepEqual([attributes['a'], attributes['csi.storage.k8s.io/ephemeral']], ['b', 'true'])
  await cluster.kubectl(['delete', 'pod', 'inline'])
  assert.equal((await lastCall('NodeUnpublishVolume')).method, 'NodeUnpublishVolume')
})

test('a driver that answers with an error is named to the pod, which starts once it is well; one that is slow is waited for', async () => {
  await setFaults({ NodePublishVolume: { code: 13, message: 'the disk is on fire' } })
  await cluster.apply([mounting('patient', ofClaim('data'))])
  await told('patient', /MountVolume\.SetUp failed for volume "pvc-[^"]+" : .*the disk is on fire/)
  await setFaults({ NodePublishVolume: { delayMs: 2000 } })
  await ready('patient')
  await setFaults({})
  assert.equal(await exec('patient', 'cat /d/file'), 'kept\n')
})

test('while the driver is gone pods go on, new ones are told why they wait, and those that leave wait for it', async () => {
  await endDriver('KILL')
  assert.equal(await exec('writer', 'cat /d/file'), 'kept\n')
  await cluster.apply([mounting('late', ofClaim('data'))])
  await told('late', /MountVolume\.(SetUp|MountDevice) failed for volume/)
  await cluster.kubectl(['delete', 'pod', 'patient', '--wait=false'])
  await told('patient', /Stopping container shell/)
  await startDriver()
  await ready('late')
  await isGone('pod', 'patient')
  assert.equal(await exec('late', 'cat /d/file'), 'kept\n')
})

test('a driver that takes its leave is taken from the list, and comes back', async () => {
  await endDriver('TERM')
  await eventually('the driver is gone', async () => !(await drivers()).includes(DRIVER))
  await cluster.apply([mounting('later', ofClaim('data'))])
  await told('later', new RegExp(`driver name ${DRIVER} not found in the list of registered CSI drivers`))
  await startDriver()
  await ready('later')
})

test('it stays until its last pod has left, is detached, and goes with its claim', async () => {
  await cluster.kubectl(['delete', 'pvc', 'data', '--wait=false'])
  await cluster.kubectl(['delete', 'pod', 'late', 'later'])
  assert.equal(await exec('writer', 'cat /d/file'), 'kept\n')
  const before = (await calls()).filter(({ method }) => method === 'NodeUnstageVolume').length
  assert.equal(before, 0, 'a volume that a pod has stays staged')
  await cluster.kubectl(['delete', 'pod', 'writer'])
  await noAttachments()
  await isGone('pvc', 'data')
  await eventually('the volume is gone', async () => (await cluster.get<{ items: unknown[] }>('pv')).items.length === 0)
  const { status } = await cluster.get<{ status: { volumesAttached?: unknown[]; volumesInUse?: unknown[] } }>('node', NODE)
  assert.deepEqual([status.volumesAttached ?? [], status.volumesInUse ?? []], [[], []])
  assert.equal(await onNode('grep -c kubernetes.io/csi /proc/self/mounts || true'), '0')
})

test('without an attacher a pod waits, and nothing is mounted', async () => {
  controller.attacherIsDown = true
  await cluster.apply([claim('alone'), mounting('waiting', ofClaim('alone'))])
  await eventually(
    'an attachment is asked for',
    async () => (await cluster.get<{ items: unknown[] }>('volumeattachments')).items.length === 1,
  )
  const staged = (await calls()).filter(({ method }) => method === 'NodeStageVolume').length
  controller.attacherIsDown = false
  await ready('waiting')
  assert.equal((await calls()).filter(({ method }) => method === 'NodeStageVolume').length, staged + 1)
  await cluster.kubectl(['delete', 'pod/waiting', 'pvc/alone'])
  await noAttachments()
})

test('a block volume is a device in the pod', async (t) => {
  if ((await onNode('test -e /sys/block/loop0 && echo yes || true')) !== 'yes') return t.skip('this kernel has no loop devices')
  const raw = shellPod('raw', 'sleep 3600', { volumes: [{ name: 'd', ...ofClaim('raw') }] }) as { spec: { containers: object[] } }
  const containers = raw.spec.containers.map((one) => ({ ...one, volumeDevices: [{ name: 'd', devicePath: '/dev/disk' }] }))
  await cluster.apply([claim('raw', { volumeMode: 'Block' }), { ...raw, spec: { ...raw.spec, containers } }])
  await ready('raw')
  assert.equal(await exec('raw', 'echo bits | dd of=/dev/disk conv=fsync 2>/dev/null; dd if=/dev/disk bs=5 count=1 2>/dev/null'), 'bits\n')
  assert.equal((await lastCall('NodePublishVolume')).block, true)
  await cluster.kubectl(['delete', 'pod/raw', 'pvc/raw'])
  await noAttachments()
})

test('the controller met no failure', () => assert.deepEqual(controller.failures, []))
