/**
 * A driver of dynamic resources on a cluster, which runs on the node as drivers do: claims are made ready before their pods
 * begin, containers get what the driver describes, claims are given back; and what pods see while the driver is gone.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, shellPod, startedCluster, type Cluster } from './minicube.ts'

const DRIVER = 'leds.test.example'
const NODE = 'e2e-dra'
const FOLDER = '/var/lib/leds'
const REGISTRY = '/var/lib/kubelet/plugins_registry'

let cluster: Cluster
let program: string

const onNode = async (script: string, input = ''): Promise<string> =>
  (await cluster.minicube(['ssh', '--', 'sh', '-c', script], { input })).stdout.trim()
const startDriver = (): Promise<string> =>
  onNode(
    `mkdir -p ${FOLDER}; cat >${FOLDER}/driver.mjs; setsid node ${FOLDER}/driver.mjs ${DRIVER} ${FOLDER} ${REGISTRY} >${FOLDER}/log 2>&1 & echo $! >${FOLDER}/pid`,
    program,
  )
const endDriver = (): Promise<string> => onNode(`kill -TERM $(cat ${FOLDER}/pid)`)

const calls = async (): Promise<string[]> =>
  (await onNode(`cat ${FOLDER}/calls.jsonl 2>/dev/null || true`))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { method: string; name: string })
    .map(({ method, name }) => `${method} ${name}`)

/** Two devices, so that a pod with a claim of its own and two that share one fit. */
const devices = ['led-0', 'led-1'].map((name) => ({ name }))
const SLICE = {
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceSlice',
  metadata: { name: 'leds' },
  spec: { driver: DRIVER, nodeName: NODE, pool: { name: 'bench', generation: 1, resourceSliceCount: 1 }, devices },
}
const DEVICE_CLASS = {
  apiVersion: 'resource.k8s.io/v1',
  kind: 'DeviceClass',
  metadata: { name: 'leds' },
  spec: { selectors: [{ cel: { expression: `device.driver == "${DRIVER}"` } }] },
}
const claimSpec = { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'leds' } }] } }
const TEMPLATE = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaimTemplate', metadata: { name: 'led' }, spec: { spec: claimSpec } }
const SHARED = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata: { name: 'shared' }, spec: claimSpec }

function pod(name: string, claim: object): object {
  const made = shellPod(name, 'sleep 3600', { resourceClaims: [{ name: 'led', ...claim }] }) as { spec: { containers: object[] } }
  const [container] = made.spec.containers
  const other = { ...container, name: 'other' }
  return { ...made, spec: { ...made.spec, containers: [{ ...container, resources: { claims: [{ name: 'led' }] } }, other] } }
}

const ready = (name: string): Promise<unknown> => cluster.kubectl(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'])
const exec = async (name: string, container: string, script: string): Promise<string> =>
  (await cluster.kubectl(['exec', name, '-c', container, '--', 'sh', '-c', script])).stdout.trim()
const shows = 'echo "$CLAIM"; cat /etc/claim; head -c 3 /dev/led | wc -c'

interface Health {
  resourceID: string
  health: string
  message?: string
}

async function healthOf(name: string): Promise<Health | undefined> {
  const { status } = await cluster.get<{
    status: { containerStatuses?: { name: string; allocatedResourcesStatus?: { name: string; resources: Health[] }[] }[] }
  }>('pod', name)
  const of = status.containerStatuses?.find((container) => container.name === 'shell')?.allocatedResourcesStatus
  return of?.find((resource) => resource.name === 'claim:led')?.resources[0]
}

before(async () => {
  const { build } = await import('esbuild')
  const entryPoints = [join(import.meta.dirname, 'dra/driver.ts')]
  const { outputFiles } = await build({ entryPoints, bundle: true, platform: 'node', format: 'esm', write: false })
  program = outputFiles[0]?.text ?? ''
  cluster = await startedCluster(NODE)
  await cluster.apply([SLICE, DEVICE_CLASS, TEMPLATE, SHARED])
})
after(() => cluster?.remove())

test('a pod waits for the driver of its claim, and says so', async () => {
  await cluster.apply(pod('own', { resourceClaimTemplateName: 'led' }))
  await eventually('it says so', async () => {
    const { stdout } = await cluster.kubectl(['get', 'events', '-o', 'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}'])
    return stdout.includes(
      `FailedPrepareDynamicResources: Failed to prepare dynamic resources: prepare dynamic resources: DRA driver ${DRIVER} is not registered`,
    )
  })
  await startDriver()
  await ready('own')
})

test('the container that asks for the claim gets what the driver describes, and no other; how the device is, is told', async () => {
  const { status } = await cluster.get<{ status: { resourceClaimStatuses: { resourceClaimName: string }[] } }>('pod', 'own')
  const name = status.resourceClaimStatuses[0]?.resourceClaimName
  assert.deepEqual((await exec('own', 'shell', shows)).split('\n'), [name, name, '3'])
  assert.equal(await exec('own', 'other', 'echo "[$CLAIM]"; ls /etc/claim /dev/led 2>/dev/null | wc -l'), '[]\n0')
  const first = await eventually('its health', async () => ((await healthOf('own'))?.health === 'Healthy' ? healthOf('own') : undefined))
  assert.match(first.resourceID, new RegExp(`^${DRIVER}/claim=`))
  await onNode(`echo 'unhealthy: burnt out' >${FOLDER}/health`)
  const second = await eventually('another', async () => ((await healthOf('own'))?.health === 'Unhealthy' ? healthOf('own') : undefined))
  assert.equal(second.message, 'burnt out')
})

test('pods share a claim that is made ready once, and given back by the last of them, also after the node was killed', async () => {
  await cluster.apply([pod('left', { resourceClaimName: 'shared' }), pod('right', { resourceClaimName: 'shared' })])
  await Promise.all([ready('left'), ready('right')])
  for (const name of ['left', 'right']) assert.deepEqual((await exec(name, 'shell', shows)).split('\n'), ['shared', 'shared', '3'])
  await cluster.kubectl(['delete', 'pod', 'left'])
  const shared = async (): Promise<string[]> => (await calls()).filter((call) => call.endsWith(' shared'))
  assert.deepEqual(await shared(), ['NodePrepareResources shared'])
  await onNode('kill -KILL $(cat /run/minicube/node.pid)')
  await eventually('the node again', async () => (await cluster.kubectl(['get', 'node', NODE])).stdout.includes(' Ready '))
  assert.deepEqual((await exec('right', 'shell', shows)).split('\n'), ['shared', 'shared', '3'])
  await cluster.kubectl(['delete', 'pod', 'right', 'own'])
  assert.deepEqual(await shared(), ['NodePrepareResources shared', 'NodeUnprepareResources shared'])
  assert.equal(await onNode(`ls /var/run/cdi | wc -l`), '0')
  await eventually('the claim that was made is gone', async () => {
    const { items } = await cluster.get<{ items: { metadata: { name: string } }[] }>('resourceclaims')
    return items.map(({ metadata }) => metadata.name).join() === 'shared'
  })
})

test('what a driver offered that is gone is withdrawn after half a minute', async () => {
  await cluster.apply(SLICE)
  await endDriver()
  const startedMs = performance.now()
  await eventually('withdrawn', async () => (await cluster.kubectl(['get', 'resourceslices', '-o', 'name'])).stdout === '', 60_000)
  assert.ok(performance.now() - startedMs > 20_000)
})
