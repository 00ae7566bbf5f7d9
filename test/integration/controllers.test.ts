/** The controllers against the real API server in one process: in-memory store, real registry and admission, no kubelet. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { daemonsets, deployments, replicasets, statefulsets } from '../../src/api/kinds/apps/v1.ts'
import { cronjobs, jobs } from '../../src/api/kinds/batch/v1.ts'
import {
  configmaps,
  endpoints,
  events,
  namespaces,
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  pods,
  resourcequotas,
  secrets,
  serviceaccounts,
  services,
  type PersistentVolumeClaim,
  type Pod,
  type PodTemplateSpec,
} from '../../src/api/kinds/core/v1.ts'
import { endpointslices } from '../../src/api/kinds/discovery/v1.ts'
import { poddisruptionbudgets } from '../../src/api/kinds/policy/v1.ts'
import { clusterroles } from '../../src/api/kinds/rbac/v1.ts'
import { storageclasses, volumeattachments } from '../../src/api/kinds/storage/v1.ts'
import { loadCatalog } from '../../src/api/catalog/load.ts'
import { timestamp } from '../../src/api/meta.ts'
import type { KubeObject, Resource } from '../../src/api/resource.ts'
import { isNotFound } from '../../src/api/status.ts'
import { admissionPlugins } from '../../src/apiserver/admission/plugins.ts'
import { DirectTransport } from '../../src/apiserver/direct.ts'
import type { Authorizer } from '../../src/apiserver/request.ts'
import { createRegistry } from '../../src/apiserver/registry/registry.ts'
import { Services } from '../../src/apiserver/registry/services/services.ts'
import { systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/logger.ts'
import { Client } from '../../src/client/client.ts'
import { createEventRecorder } from '../../src/client/events.ts'
import { createInformers } from '../../src/client/sharedInformer.ts'
import { controllerFactories } from '../../src/controllers/registry.ts'
import { hostPathReclaimer } from '../../src/controllers/volume/hostPathReclaimer.ts'
import { runController } from '../../src/reconcile/runController.ts'
import { createMemoryStore } from '../../src/storage/memory/memoryStore.ts'

const ROOT_CA = '-----BEGIN CERTIFICATE-----\ntest\n-----END CERTIFICATE-----\n'
const WAIT_LIMIT_MS = 5_000
/** Time enough for what must not happen. */
const STILL_THERE_MS = 100
const stop = new AbortController()
const log = createLogger({ level: 'error', write: (line) => process.stderr.write(line) })
const clock = systemClock
let client: Client
const removedPaths: string[] = []
const removedElsewhere: string[] = []
let removeElsewhere = async (path: string): Promise<void> => void removedElsewhere.push(path)

before(async () => {
  const catalog = loadCatalog()
  const authorizer: Authorizer = { authorize: () => ({ allowed: true, reason: '' }), escalation: () => undefined, rulesOf: () => [] }
  const tokens = { defaultAudiences: [], issue: () => Promise.reject(new Error('no tokens here')) }
  const registry = await createRegistry({
    catalog,
    store: createMemoryStore(),
    clock,
    log,
    authorizer,
    tokens,
    services: new Services({ serviceClusterIpRange: '10.96.0.0/16', nodePortRange: { first: 30_000, last: 32_767 } }),
    admission: (reader) => admissionPlugins({ reader, authorizer }),
  })
  const user = { name: 'system:kube-controller-manager', groups: ['system:masters'], extra: {} }
  client = new Client(new DirectTransport({ catalog, registry, authorizer, user, userAgent: 'test', stopping: stop.signal }))
  const informers = createInformers({ client, signal: stop.signal, log, clock })
  const recorder = createEventRecorder({ client, component: 'controllers', log, clock })
  const context = { client, informers, events: recorder, signal: stop.signal, log, clock }
  const options = {
    rootCa: ROOT_CA,
    signLegacyToken: async () => 'a.b.c',
    podCidr: { ranges: [{ clusterCidr: '10.244.0.0/16', nodeMaskBits: 24 }] },
    hostPathVolumes: { directory: '/volumes', nodeName: 'n1', remove: async (path: string) => void removedPaths.push(path) },
  }
  for (const factory of controllerFactories(options).values()) void runController(factory(context), context)
  const elsewhere = { directory: '/volumes', nodeName: 'n2', remove: (path: string) => removeElsewhere(path) }
  void runController(hostPathReclaimer(context, elsewhere), context)
  await client.create(namespaces, { metadata: { name: 'default' }, spec: {} })
  await eventually(() => client.get(serviceaccounts, { namespace: 'default', name: 'default' }))
})
after(() => stop.abort())

/** Waits until `look` succeeds and answers something. */
async function eventually<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  const untilMs = Date.now() + WAIT_LIMIT_MS
  for (let last: unknown = new Error('nothing to see'); ;) {
    const found = await look().catch((error: unknown) => void (last = error))
    if (found) return found as T
    if (Date.now() > untilMs) throw last
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const gone = (resource: Resource, at: { name: string; namespace?: string }): Promise<true> =>
  eventually(async () =>
    client.get(resource, at).then(
      () => false as const,
      (error: unknown) => isNotFound(error) && (true as const),
    ),
  )

const podsOf = async (app: string, namespace = 'default'): Promise<Pod[]> =>
  (await client.list(pods, { namespace, labelSelector: `app=${app}` })).items

/** What a kubelet would report. */
async function report(pod: Pod, status: Partial<NonNullable<Pod['status']>>, ready = true): Promise<void> {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: timestamp(Date.now() - 1_000) }]
  const live = await client.get(pods, { namespace: pod.metadata.namespace, name: pod.metadata.name })
  await client.update(pods, { ...live, status: { ...live.status, phase: 'Running', conditions, ...status } }, { subresource: 'status' })
}

let lastIp = 0
const nextIp = (): string => `10.244.0.${++lastIp}`
const running = (pod: Pod): Promise<void> => report(pod, { podIP: nextIp(), podIPs: [{ ip: `10.244.0.${lastIp}` }] })

const template = (app: string, image = 'app:1', restartPolicy = 'Always'): PodTemplateSpec => ({
  metadata: { labels: { app } },
  spec: { restartPolicy, containers: [{ name: 'c', image, ports: [{ name: 'http', containerPort: 8080 }] }] },
})
const selector = (app: string) => ({ matchLabels: { app } })

async function deploy(app: string, replicas: number, image = 'app:1'): Promise<void> {
  await client.create(deployments, {
    metadata: { name: app, namespace: 'default' },
    spec: { replicas, selector: selector(app), template: template(app, image) },
  })
}

test('a Deployment becomes pods within milliseconds, and reports when they are ready', async () => {
  const startedMs = performance.now()
  await deploy('web', 3)
  const made = await eventually(async () => (await podsOf('web')).length === 3 && podsOf('web'))
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs < 1_000, `it took ${tookMs} ms`)
  for (const pod of made) await running(pod)
  const deployment = await eventually(async () => {
    const d = await client.get(deployments, { namespace: 'default', name: 'web' })
    return d.status?.conditions?.some((c) => c.reason === 'NewReplicaSetAvailable') && d
  })
  assert.equal(deployment.status?.availableReplicas, 3)
  assert.equal(deployment.metadata.annotations?.['deployment.kubernetes.io/revision'], '1')
  const told = await eventually(async () =>
    (await client.list(events, { namespace: 'default' })).items.find((e) => e.reason === 'ScalingReplicaSet'),
  )
  assert.match(told.message ?? '', /^Scaled up replica set web-\w+ from 0 to 3$/)
})

test('a rollout replaces the pods; the history stays', async () => {
  await deploy('roll', 2)
  for (const pod of await eventually(async () => (await podsOf('roll')).length === 2 && podsOf('roll'))) await running(pod)
  const live = await eventually(async () => {
    const d = await client.get(deployments, { namespace: 'default', name: 'roll' })
    return d.status?.availableReplicas === 2 && d
  })
  await client.update(deployments, { ...live, spec: { ...live.spec, template: template('roll', 'app:2') } })
  await eventually(async () => {
    const all = await podsOf('roll')
    for (const pod of all) if (!pod.status?.podIP) await running(pod)
    return all.length === 2 && all.every((pod) => pod.spec.containers[0]?.image === 'app:2')
  })
  const sets = (await client.list(replicasets, { namespace: 'default', labelSelector: 'app=roll' })).items
  assert.deepEqual(sets.map((rs) => rs.metadata.annotations?.['deployment.kubernetes.io/revision']).sort(), ['1', '2'])
})

test('a Service leads to the ready pods, in slices and in Endpoints', async () => {
  const pinned = template('svc')
  await client.create(deployments, {
    metadata: { name: 'svc', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: selector('svc'),
      template: { ...pinned, spec: { ...pinned.spec, containers: pinned.spec?.containers ?? [], nodeName: 'n0' } },
    },
  })
  await client.create(services, {
    metadata: { name: 'svc', namespace: 'default' },
    spec: { selector: { app: 'svc' }, ports: [{ port: 80, targetPort: 'http' }] },
  })
  const made = await eventually(async () => (await podsOf('svc')).length === 2 && podsOf('svc'))
  for (const pod of made) await running(pod)
  const slicesOf = () => client.list(endpointslices, { namespace: 'default', labelSelector: 'kubernetes.io/service-name=svc' })
  // Nobody can say where the pods are before there is their node.
  await eventually(async () => {
    const told = (await client.list(events, { namespace: 'default', fieldSelector: 'reason=FailedToUpdateEndpointSlices' })).items
    return told.some(({ message }) => message?.includes('Node n0 Not Found'))
  })
  assert.equal((await slicesOf()).items[0]?.endpoints?.length ?? 0, 0)
  await client.create(nodes, { metadata: { name: 'n0' }, spec: {} })
  const slice = await eventually(async () => {
    const [only] = (await slicesOf()).items
    return only?.endpoints?.filter((e) => e.conditions?.ready).length === 2 && only
  })
  assert.deepEqual(slice.ports, [{ name: '', port: 8080, protocol: 'TCP' }])
  const subsets = await eventually(async () => {
    const object = await client.get(endpoints, { namespace: 'default', name: 'svc' })
    return object.subsets?.[0]?.addresses?.length === 2 && object.subsets
  })
  assert.equal(subsets.length, 1)
  await client.delete(services, { namespace: 'default', name: 'svc' })
  await gone(endpoints, { namespace: 'default', name: 'svc' })
  await gone(endpointslices, { namespace: 'default', name: slice.metadata.name })
  await client.delete(nodes, { name: 'n0' })
})

test('deleting a Deployment takes all that it owned, unless it is orphaned', async () => {
  await deploy('tree', 2)
  const [pod] = await eventually(async () => (await podsOf('tree')).length === 2 && podsOf('tree'))
  await client.delete(deployments, { namespace: 'default', name: 'tree' }, { propagationPolicy: 'Foreground' })
  await gone(deployments, { namespace: 'default', name: 'tree' })
  await gone(pods, { namespace: 'default', name: pod?.metadata.name ?? '' })

  await deploy('orphan', 1)
  const set = await eventually(async () => (await client.list(replicasets, { namespace: 'default', labelSelector: 'app=orphan' })).items[0])
  await client.delete(deployments, { namespace: 'default', name: 'orphan' }, { propagationPolicy: 'Orphan' })
  await gone(deployments, { namespace: 'default', name: 'orphan' })
  const free = await client.get(replicasets, { namespace: 'default', name: set.metadata.name })
  assert.equal(free.metadata.ownerReferences, undefined)
})

test('a namespace comes with its account and the CA, and goes with everything in it', async () => {
  await client.create(namespaces, { metadata: { name: 'team' }, spec: {} })
  await eventually(() => client.get(serviceaccounts, { namespace: 'team', name: 'default' }))
  const ca = await eventually(() => client.get(configmaps, { namespace: 'team', name: 'kube-root-ca.crt' }))
  assert.deepEqual(ca.data, { 'ca.crt': ROOT_CA })
  await client.create(pods, { metadata: { name: 'p', namespace: 'team' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
  await client.delete(namespaces, { name: 'team' })
  await gone(namespaces, { name: 'team' })
})

test('a token Secret is filled, and goes with its ServiceAccount', async () => {
  await client.create(serviceaccounts, { metadata: { name: 'robot', namespace: 'default' } })
  const annotations = { 'kubernetes.io/service-account.name': 'robot' }
  await client.create(secrets, {
    metadata: { name: 'robot-token', namespace: 'default', annotations },
    type: 'kubernetes.io/service-account-token',
  })
  const secret = await eventually(async () => {
    const s = await client.get(secrets, { namespace: 'default', name: 'robot-token' })
    return s.data?.['token'] ? s : undefined
  })
  assert.equal(Buffer.from(secret.data?.['token'] ?? '', 'base64').toString(), 'a.b.c')
  await client.delete(serviceaccounts, { namespace: 'default', name: 'robot' })
  await gone(secrets, { namespace: 'default', name: 'robot-token' })
})

test('a StatefulSet makes its pods in order', async () => {
  await client.create(statefulsets, {
    metadata: { name: 'db', namespace: 'default' },
    spec: { replicas: 2, serviceName: 'db', selector: selector('db'), template: template('db') },
  })
  await running(await eventually(() => client.get(pods, { namespace: 'default', name: 'db-0' })))
  await running(await eventually(() => client.get(pods, { namespace: 'default', name: 'db-1' })))
  await eventually(async () => (await client.get(statefulsets, { namespace: 'default', name: 'db' })).status?.readyReplicas === 2)
})

test('a DaemonSet puts a pod on each ready node', async () => {
  await client.create(nodes, { metadata: { name: 'n1' }, spec: {} })
  await client.create(daemonsets, {
    metadata: { name: 'agent', namespace: 'default' },
    spec: { selector: selector('agent'), template: template('agent') },
  })
  assert.equal((await client.get(nodes, { name: 'n1' })).spec?.taints?.[0]?.key, 'node.kubernetes.io/not-ready')
  const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: timestamp(Date.now()) }]
  // A patch: controllers write to the node at the same time.
  await client.patch(nodes, { name: 'n1', subresource: 'status', type: 'application/merge-patch+json' }, { status: { conditions } })
  const [pod] = await eventually(async () => (await podsOf('agent')).length === 1 && podsOf('agent'))
  const terms = pod?.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  assert.deepEqual(terms?.[0]?.matchFields, [{ key: 'metadata.name', operator: 'In', values: ['n1'] }])
  assert.equal((await client.get(nodes, { name: 'n1' })).spec?.taints, undefined)
})

test('a Job runs to completion and counts its pods once', async () => {
  await client.create(jobs, {
    metadata: { name: 'sum', namespace: 'default' },
    spec: { completions: 2, parallelism: 2, template: template('sum', 'app:1', 'Never') },
  })
  const made = await eventually(async () => (await podsOf('sum')).length === 2 && podsOf('sum'))
  for (const pod of made) await report(pod, { phase: 'Succeeded' }, false)
  const job = await eventually(async () => {
    const j = await client.get(jobs, { namespace: 'default', name: 'sum' })
    return j.status?.conditions?.some((c) => c.type === 'Complete') && j
  })
  assert.equal(job.status?.succeeded, 2)
  assert.ok((await podsOf('sum')).every((pod) => !pod.metadata.finalizers))
  await client.delete(jobs, { namespace: 'default', name: 'sum' }, { propagationPolicy: 'Background' })
  await eventually(async () => (await podsOf('sum')).length === 0)
})

test('a CronJob starts what it missed', async () => {
  await client.create(cronjobs, {
    metadata: { name: 'tick', namespace: 'default' },
    spec: { schedule: '@every 1s', jobTemplate: { spec: { template: template('tick', 'app:1', 'Never') } } },
  })
  const job = await eventually(async () =>
    (await client.list(jobs, { namespace: 'default' })).items.find((j) => j.metadata.name.startsWith('tick-')),
  )
  assert.equal((job as KubeObject).metadata.ownerReferences?.[0]?.name, 'tick')
  await client.delete(cronjobs, { namespace: 'default', name: 'tick' }, { propagationPolicy: 'Background' })
})

/** Bound, by the default class, to a volume on the node. */
async function claimOn(nodeName: string, claimName: string): Promise<PersistentVolumeClaim> {
  const at = { namespace: 'default', name: claimName }
  await client.create(persistentvolumeclaims, {
    metadata: at,
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  await eventually(async () => {
    const told = (await client.list(events, { namespace: 'default' })).items
    return told.some(({ reason, involvedObject }) => reason === 'WaitForFirstConsumer' && involvedObject.name === claimName)
  })
  await client.patch(
    persistentvolumeclaims,
    { ...at, type: 'application/merge-patch+json' },
    { metadata: { annotations: { 'volume.kubernetes.io/selected-node': nodeName } } },
  )
  return eventually(async () => {
    const claim = await client.get(persistentvolumeclaims, at)
    return claim.status?.phase === 'Bound' && claim
  })
}

test('a claim of the default class waits for its node, gets a volume there, and takes it along', async () => {
  await eventually(() => client.get(storageclasses, { name: 'standard' }))
  const claim = await claimOn('n1', 'data')
  assert.deepEqual(claim.status?.capacity, { storage: '1Gi' })
  const name = claim.spec.volumeName ?? ''
  const volume = await client.get(persistentvolumes, { name })
  assert.deepEqual([volume.status?.phase, volume.spec.hostPath?.path], ['Bound', `/volumes/default_data_${name}`])
  await client.delete(persistentvolumeclaims, { namespace: 'default', name: 'data' })
  await gone(persistentvolumes, { name })
  assert.deepEqual([removedPaths, removedElsewhere], [[`/volumes/default_data_${name}`], []])
})

test('a volume on another node is removed by that node, and with that node', async () => {
  await client.create(nodes, { metadata: { name: 'n2' }, spec: {} })
  const names = await Promise.all(['one', 'two'].map(async (claim) => (await claimOn('n2', claim)).spec.volumeName ?? ''))
  const [one = '', two = ''] = names
  const terms = (await client.get(persistentvolumes, { name: one })).spec.nodeAffinity?.required?.nodeSelectorTerms
  assert.deepEqual(terms, [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n2'] }] }])
  const before = removedPaths.length
  await client.delete(persistentvolumeclaims, { namespace: 'default', name: 'one' })
  await gone(persistentvolumes, { name: one })
  assert.deepEqual([removedPaths.slice(before), removedElsewhere], [[], [`/volumes/default_one_${one}`]])
  removeElsewhere = () => new Promise(() => {})
  await client.delete(persistentvolumeclaims, { namespace: 'default', name: 'two' })
  await eventually(async () => (await client.get(persistentvolumes, { name: two })).status?.phase === 'Released')
  await client.delete(nodes, { name: 'n2' })
  await gone(persistentvolumes, { name: two })
  assert.deepEqual([removedPaths.slice(before), removedElsewhere.length], [[], 1])
})

test('a volume of a driver is attached while a pod needs it, and let go when the last one has finished and it is unmounted', async () => {
  const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' }
  const node = await client.create(nodes, { metadata: { name: 'n3', annotations }, spec: {} })
  const setInUse = (volumesInUse: string[] | null): Promise<unknown> =>
    client.patch(
      nodes,
      { name: node.metadata.name, subresource: 'status', type: 'application/merge-patch+json' },
      { status: { volumesInUse } },
    )
  await client.create(persistentvolumes, {
    metadata: { name: 'disk' },
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'none',
      csi: { driver: 'disks.example.com', volumeHandle: 'd1' },
    },
  })
  await client.create(persistentvolumeclaims, {
    metadata: { namespace: 'default', name: 'disk' },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'none', resources: { requests: { storage: '1Gi' } } },
  })
  const pod = await client.create(pods, {
    metadata: { namespace: 'default', name: 'user' },
    spec: {
      nodeName: 'n3',
      containers: [{ name: 'c', image: 'app:1' }],
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'disk' } }],
    },
  })
  const attachment = await eventually(async () => (await client.list(volumeattachments, {})).items[0])
  assert.deepEqual([attachment.spec.nodeName, attachment.spec.source.persistentVolumeName], ['n3', 'disk'])
  await setInUse(['kubernetes.io/csi/disks.example.com^d1'])
  await report(pod, { phase: 'Succeeded' }, false)
  await new Promise((resolve) => setTimeout(resolve, STILL_THERE_MS))
  assert.equal((await client.list(volumeattachments, {})).items.length, 1, 'it is still mounted')
  await setInUse(null)
  await eventually(async () => (await client.list(volumeattachments, {})).items.length === 0)
  await client.delete(pods, { namespace: 'default', name: 'user' }, { gracePeriodSeconds: 0 })
  await client.delete(persistentvolumeclaims, { namespace: 'default', name: 'disk' })
  await client.delete(persistentvolumes, { name: 'disk' })
  await client.delete(nodes, { name: 'n3' })
})

test('a claim takes the smallest volume that fits; the volume outlives it', async () => {
  for (const [name, storage] of [
    ['big', '10Gi'],
    ['small', '2Gi'],
    ['tiny', '1Mi'],
  ] as const) {
    const spec = {
      capacity: { storage },
      accessModes: ['ReadWriteOnce'],
      hostPath: { path: `/${name}` },
      storageClassName: 'manual',
      persistentVolumeReclaimPolicy: 'Retain',
    }
    await client.create(persistentvolumes, { metadata: { name }, spec })
  }
  const at = { namespace: 'default', name: 'picky' }
  await client.create(persistentvolumeclaims, {
    metadata: at,
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'manual', resources: { requests: { storage: '1Gi' } } },
  })
  await eventually(async () => (await client.get(persistentvolumeclaims, at)).status?.phase === 'Bound')
  assert.equal((await client.get(persistentvolumeclaims, at)).spec.volumeName, 'small')
  await client.delete(persistentvolumeclaims, at)
  await eventually(async () => (await client.get(persistentvolumes, { name: 'small' })).status?.phase === 'Released')
})

test('a claim that a pod uses on its node stays until the pod is gone', async () => {
  const at = { namespace: 'default', name: 'used' }
  await client.create(persistentvolumeclaims, {
    metadata: at,
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: '', resources: { requests: { storage: '1Gi' } } },
  })
  const spec = { containers: [{ name: 'c', image: 'i' }], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'used' } }] }
  await client.create(pods, { metadata: { name: 'waiting', namespace: 'default' }, spec })
  await client.create(pods, { metadata: { name: 'user', namespace: 'default' }, spec: { ...spec, nodeName: 'n3' } })
  await client.delete(persistentvolumeclaims, at)
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.ok((await client.get(persistentvolumeclaims, at)).metadata.deletionTimestamp)
  await client.delete(pods, { namespace: 'default', name: 'user' }, { gracePeriodSeconds: 0 })
  await gone(persistentvolumeclaims, at)
  // One without a node has not mounted anything.
  await client.delete(pods, { namespace: 'default', name: 'waiting' })
})

test('a quota shows what is used', async () => {
  await client.create(namespaces, { metadata: { name: 'limited' }, spec: {} })
  const hard = { pods: '5', 'requests.cpu': '2', 'count/configmaps': '10' }
  await client.create(resourcequotas, { metadata: { name: 'q', namespace: 'limited' }, spec: { hard } })
  await eventually(() => client.get(serviceaccounts, { namespace: 'limited', name: 'default' }))
  await client.create(pods, {
    metadata: { name: 'p', namespace: 'limited' },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '250m' } } }] },
  })
  const used = { pods: '1', 'requests.cpu': '250m', 'count/configmaps': '1' }
  await eventually(async () => {
    const quota = await client.get(resourcequotas, { namespace: 'limited', name: 'q' })
    assert.deepEqual(quota.status?.used, used)
    return true
  })
})

test('a disruption budget counts the healthy pods of a Deployment', async () => {
  await deploy('guarded', 3)
  await client.create(poddisruptionbudgets, {
    metadata: { name: 'guard', namespace: 'default' },
    spec: { maxUnavailable: 1, selector: selector('guarded') },
  })
  for (const pod of await eventually(async () => (await podsOf('guarded')).length === 3 && podsOf('guarded'))) await running(pod)
  const { status } = await eventually(async () => {
    const budget = await client.get(poddisruptionbudgets, { namespace: 'default', name: 'guard' })
    return budget.status?.disruptionsAllowed === 1 && budget
  })
  assert.deepEqual([status?.currentHealthy, status?.desiredHealthy, status?.expectedPods], [3, 2, 3])
})

test('cluster roles aggregate, nodes get addresses', async () => {
  const labels = { 'aggregate-to-test': 'true' }
  await client.create(clusterroles, {
    metadata: { name: 'sum' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: labels }] },
    rules: [],
  })
  const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]
  await client.create(clusterroles, { metadata: { name: 'part', labels }, rules })
  await eventually(async () => {
    assert.deepEqual((await client.get(clusterroles, { name: 'sum' })).rules, rules)
    return true
  })
  assert.equal((await eventually(async () => (await client.get(nodes, { name: 'n1' })).spec)).podCIDR, '10.244.0.0/24')
})

test('once everything is as it should be, nothing is written any more', async () => {
  const revision = async (): Promise<string> => (await client.list(namespaces)).resourceVersion
  const settled = await eventually(async () => {
    const before = await revision()
    await new Promise((resolve) => setTimeout(resolve, 300))
    return before === (await revision()) && before
  })
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.equal(await revision(), settled)
})
