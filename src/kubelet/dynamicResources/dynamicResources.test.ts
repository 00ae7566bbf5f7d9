import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import { resourceclaims, resourceslices, type ResourceClaim, type ResourceSlice } from '../../api/kinds/resource/v1.ts'
import { FakeClock, systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { Client } from '../../client/client.ts'
import { serveGrpc } from '../grpc/server.ts'
import type { Decoded, Message } from '../grpc/wire.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import { PluginRegistry } from '../plugins/pluginRegistry.ts'
import { FakeApi } from '../testing/fakeApi.ts'
import { DRA_PLUGIN_TYPE, DraDrivers } from './draDrivers.ts'
import { DynamicResources } from './dynamicResources.ts'

const DRIVER = 'leds.example.com'
const metadata = (name: string) => ({ name, namespace: 'n', uid: `uid-${name}`, creationTimestamp: '', resourceVersion: '' })
const never = new AbortController().signal

/** Says of every claim that its requests `a` and `b` have a LED each, and all of them a switch. */
async function startDriver(registry: string, service: string, versions: readonly string[] = [`${service}.DRAPlugin`]) {
  const [calls, told, refused] = [[] as string[], [] as string[], new Map<string, string>()]
  const uidsOf = (request: Decoded): string[] => request.messages(1).map((claim) => claim.text(2))
  const claims = (request: Decoded, answer: (uid: string) => Message): Message => ({
    1: uidsOf(request).map((uid) => ({ 1: uid, 2: answer(uid) })),
  })
  const device = (uid: string, name: string, requests: string[]): Message => ({
    1: requests,
    2: 'pool',
    3: name,
    4: [`${DRIVER}/led=${uid}-${name}`],
  })
  const path = `/k8s.io.kubelet.pkg.apis.dra.${service}.DRAPlugin`
  const endpoint = join(registry, '../driver.sock')
  const own = await serveGrpc(endpoint, {
    [`${path}/NodePrepareResources`]: async (request) => {
      calls.push(`prepare ${uidsOf(request).join()}`)
      return claims(request, (uid) => ({
        1: [device(uid, 'a', ['a']), device(uid, 'b', ['b']), device(uid, 'switch', [])],
        2: refused.get(uid),
      }))
    },
    [`${path}/NodeUnprepareResources`]: async (request) => {
      calls.push(`unprepare ${uidsOf(request).join()}`)
      return claims(request, (uid) => ({ 1: refused.get(uid) }))
    },
  })
  const announced = await serveGrpc(join(registry, 'leds.sock'), {
    '/pluginregistration.Registration/GetInfo': async () => ({ 1: DRA_PLUGIN_TYPE, 2: DRIVER, 3: endpoint, 4: versions }),
    '/pluginregistration.Registration/NotifyRegistrationStatus': async (request) => {
      told.push(request.number(1) === 1 ? 'registered' : request.text(2))
      return {}
    },
  })
  const close = (): void => {
    own.close()
    announced.close()
  }
  return { calls, told, refused, close }
}

async function eventually(what: string, done: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (done()) return
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.fail(`never happened: ${what}`)
}

async function world(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'claims-'))
  const directory = join(root, 'plugins_registry')
  await mkdir(directory)
  const [api, over, clock] = [new FakeApi(), new AbortController(), new FakeClock()]
  const client = new Client(api)
  const measures = new KubeletMeasures(clock)
  const common = { client, clock, log: silentLogger, signal: over.signal, measures }
  const drivers = new DraDrivers({ ...common, nodeName: 'node', onHealth: () => {} })
  const registry = new PluginRegistry({ ...common, clock: systemClock, directory, kinds: { [DRA_PLUGIN_TYPE]: drivers } })
  const running = registry.run()
  t.after(async () => {
    over.abort()
    await running
    await rm(root, { recursive: true, force: true })
  })
  const active = new Set<string>()
  const resources = async (): Promise<DynamicResources> => {
    const one = new DynamicResources({
      ...common,
      drivers,
      recordFile: join(root, 'state'),
      isActive: (uid) => active.has(uid),
      onChange: () => {},
    })
    await one.begin()
    return one
  }
  return { api, clock, directory, drivers, measures, active, resources, run: (one: DynamicResources) => void one.run() }
}

function claim(name: string, users: readonly string[], more: Partial<ResourceClaim['metadata']> = {}): ResourceClaim {
  const results = [{ driver: DRIVER, pool: 'pool', device: 'a', request: 'a' }]
  return {
    metadata: { ...metadata(name), ...more },
    spec: {},
    status: {
      allocation: { devices: { results } },
      reservedFor: users.map((user) => ({ resource: 'pods', name: user, uid: `uid-${user}` })),
    },
  }
}

const using = (name: string, request?: string): Container => ({
  name,
  resources: { claims: [{ name: 'led', ...(request && { request }) }] },
})
const pod = (name: string, claimName: string, containers: Container[] = [using('main')]): Pod => ({
  metadata: metadata(name),
  spec: { containers, resourceClaims: [{ name: 'led', resourceClaimName: claimName }] },
})

for (const service of ['v1', 'v1beta1']) {
  test(`${service}: what a driver makes ready is the containers' that ask for it, and its last pod gives it back`, async (t) => {
    const w = await world(t)
    const driver = await startDriver(w.directory, service)
    t.after(driver.close)
    await eventually('registered', () => driver.told.includes('registered'))
    w.api.put(resourceclaims, claim('shared', ['p', 'q']))
    const containers = [using('main'), using('second', 'b'), { name: 'none' }]
    const [p, q] = [pod('p', 'shared', containers), pod('q', 'shared')]
    let resources = await w.resources()
    await Promise.all([resources.prepare(p, never), resources.prepare(q, never)])
    assert.deepEqual(driver.calls, ['prepare uid-shared'])
    const names = (of: Container): string[] => resources.cdiDevices(p, of).map((id) => id.replace(`${DRIVER}/led=uid-shared-`, ''))
    assert.deepEqual(containers.map(names), [['a', 'b', 'switch'], ['b', 'switch'], []])
    const [told] = resources.statusOf(p, containers[1] as Container)
    assert.deepEqual([told?.name, told?.resources?.[0]], ['claim:led/b', { resourceID: `${DRIVER}/led=uid-shared-b`, health: 'Unknown' }])
    assert.equal(
      w.measures
        .metrics()
        .find(({ name }) => name === 'dra_resource_claims_in_use')
        ?.samples.find(({ labels }) => labels?.['driver_name'] === DRIVER)?.value,
      1,
    )

    // Another kubelet knows of it, and gives it back.
    resources = await w.resources()
    assert.deepEqual(names(containers[1] as Container), ['b', 'switch'])
    await resources.unprepare('uid-p')
    assert.equal(driver.calls.length, 1)
    await resources.unprepare('uid-q')
    await resources.unprepare('uid-q')
    assert.deepEqual(driver.calls, ['prepare uid-shared', 'unprepare uid-shared'])
    assert.deepEqual((await w.resources()).cdiDevices(p, using('main')), [])
  })
}

test('a pod that comes while the last one gives a claim back gets it made ready anew', async (t) => {
  const w = await world(t)
  const driver = await startDriver(w.directory, 'v1')
  t.after(driver.close)
  await eventually('registered', () => driver.told.includes('registered'))
  w.api.put(resourceclaims, claim('shared', ['p', 'q']))
  const resources = await w.resources()
  await resources.prepare(pod('p', 'shared'), never)
  await Promise.all([resources.unprepare('uid-p'), resources.prepare(pod('q', 'shared'), never)])
  assert.deepEqual(driver.calls, ['prepare uid-shared', 'unprepare uid-shared', 'prepare uid-shared'])
  assert.equal(resources.cdiDevices(pod('q', 'shared'), using('main')).length, 3)
})

test('a claim made for the pod, and one that stands for an extended resource', async (t) => {
  const w = await world(t)
  const driver = await startDriver(w.directory, 'v1')
  t.after(driver.close)
  await eventually('registered', () => driver.told.includes('registered'))
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'uid-p', controller: true }
  w.api.put(resourceclaims, claim('p-led-x', ['p'], { ownerReferences: [owner] }))
  w.api.put(resourceclaims, claim('p-extended', ['p']))
  const main: Container = {
    ...using('main', 'a'),
    resources: { claims: [{ name: 'led', request: 'a' }], requests: { 'example.com/led': '1' } },
  }
  const p: Pod = {
    metadata: metadata('p'),
    spec: {
      containers: [main],
      resourceClaims: [
        { name: 'led', resourceClaimTemplateName: 'led' },
        { name: 'no', resourceClaimTemplateName: 'no' },
      ],
    },
    status: {
      resourceClaimStatuses: [{ name: 'led', resourceClaimName: 'p-led-x' }, { name: 'no' }],
      extendedResourceClaimStatus: {
        resourceClaimName: 'p-extended',
        requestMappings: [{ containerName: 'main', requestName: 'b', resourceName: 'example.com/led' }],
      },
    },
  }
  const resources = await w.resources()
  await resources.prepare(p, never)
  assert.deepEqual(driver.calls, ['prepare uid-p-led-x,uid-p-extended'])
  const of = (uid: string, name: string): string => `${DRIVER}/led=${uid}-${name}`
  assert.deepEqual(resources.cdiDevices(p, main), [
    of('uid-p-led-x', 'a'),
    of('uid-p-led-x', 'switch'),
    of('uid-p-extended', 'b'),
    of('uid-p-extended', 'switch'),
  ])
})

test('why a pod cannot have its claims is told in upstream words, and nothing is on record where no driver was asked', async (t) => {
  const w = await world(t)
  const resources = await w.resources()
  const why = (of: Pod): Promise<string> =>
    resources.prepare(of, never).then(
      () => 'fine',
      (error: Error) => error.message,
    )
  const prefix = 'prepare dynamic resources: '
  assert.equal(await why(pod('p', 'gone')), `${prefix}fetch ResourceClaim gone: resourceclaims.resource.k8s.io "gone" not found`)
  w.api.put(resourceclaims, claim('led', ['p']))
  assert.equal(await why(pod('p', 'led')), `${prefix}DRA driver ${DRIVER} is not registered`)
  assert.equal(await why(pod('q', 'led')), `${prefix}pod q (uid-q) is not allowed to use ResourceClaim led (uid-led)`)
  w.api.put(resourceclaims, { ...claim('free', ['p']), status: { reservedFor: claim('free', ['p']).status?.reservedFor ?? [] } })
  assert.equal(await why(pod('p', 'free')), `${prefix}ResourceClaim free: not allocated`)
  const made: Pod = { metadata: metadata('p'), spec: { containers: [], resourceClaims: [{ name: 'led', resourceClaimTemplateName: 't' }] } }
  assert.equal(await why(made), `${prefix}pod "n/p": ResourceClaim not created yet`)
  const foreign = { ...made, status: { resourceClaimStatuses: [{ name: 'led', resourceClaimName: 'led' }] } }
  assert.equal(await why(foreign), `${prefix}ResourceClaim n/led was not created for Pod n/p (Pod is not owner)`)
  await resources.unprepare('uid-p')

  const driver = await startDriver(w.directory, 'v1')
  t.after(driver.close)
  await eventually('registered', () => driver.told.includes('registered'))
  driver.refused.set('uid-led', 'no light')
  assert.equal(await why(pod('p', 'led')), `${prefix}NodePrepareResources failed for ResourceClaim led: no light`)
  await assert.rejects(
    resources.unprepare('uid-p'),
    /^Error: unprepare dynamic resources: NodeUnprepareResources failed for ResourceClaim led: no light$/,
  )
  driver.refused.clear()
  // The pod is gone, and nobody else takes it back.
  w.run(resources)
  await eventually('taken back', () => driver.calls.at(-1) === 'unprepare uid-led' && driver.calls.length === 3)
})

test('a driver whose protocol is not known is told so; what one offered that went is withdrawn after a while', async (t) => {
  const w = await world(t)
  const old = await startDriver(w.directory, 'v1', ['v1alpha3.DRAPlugin'])
  await eventually('refused', () => old.told.length > 0)
  assert.equal(
    old.told[0],
    `invalid supported gRPC versions of DRA driver plugin ${DRIVER} at endpoint ${join(w.directory, '../driver.sock')}: none of services supported by the plugin (["v1alpha3.DRAPlugin"]) are supported by the kubelet (["v1.DRAPlugin" "v1beta1.DRAPlugin"])`,
  )
  old.close()
  await rm(join(w.directory, 'leds.sock'), { force: true })
  const driver = await startDriver(w.directory, 'v1')
  await eventually('registered', () => driver.told.includes('registered'))
  const slice = (name: string, by: string): ResourceSlice => ({
    metadata: metadata(name),
    spec: { driver: by, nodeName: 'node', pool: { name: 'pool', generation: 1, resourceSliceCount: 1 } },
  })
  for (const [name, by] of [
    ['leds', DRIVER],
    ['others', 'other.example.com'],
  ] as const)
    w.api.put(resourceslices, slice(name, by))
  driver.close()
  await rm(join(w.directory, 'leds.sock'), { force: true })
  const has = (name: string): boolean => w.api.get(resourceslices, 'n', name) !== undefined
  await eventually('gone', () => {
    try {
      w.drivers.get(DRIVER)
      return false
    } catch {
      return true
    }
  })
  await w.clock.advance(29_000)
  assert.ok(has('leds'))
  await w.clock.advance(1_500)
  await eventually('withdrawn', () => !has('leds'))
  assert.ok(has('others'))
})
