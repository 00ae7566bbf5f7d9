import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { PROVISIONED_BY, PROVISIONER } from '../../api/hostPathClass.ts'
import { nodes, persistentvolumeclaims, persistentvolumes } from '../../api/kinds/core/v1.ts'
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/kinds/core/v1.ts'
import { Client } from '../../client/client.ts'
import { FakeApi } from '../testing/fakeApi.ts'
import { ClaimedVolumes } from './claimedVolumes.ts'
import type { PreparedVolume } from './preparedVolume.ts'

const meta = (name: string) => ({ name, uid: `u-${name}`, creationTimestamp: '', resourceVersion: '' })
const pod = (name: string): Pod => ({
  metadata: { ...meta(name), namespace: 'n' },
  spec: { containers: [{ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v' }] }] },
})

interface Given {
  claim?: Partial<PersistentVolumeClaim> | null
  volume?: Partial<PersistentVolume['spec']> | null
  annotations?: Record<string, string>
}

/** Answers a function that brings the claim `c` to a pod. */
function world({ claim = {}, volume = {}, annotations = {} }: Given) {
  const api = new FakeApi()
  api.put(nodes, { metadata: { ...meta('node'), labels: { rack: 'r1' } }, spec: {} })
  if (claim)
    api.put(persistentvolumeclaims, {
      metadata: { ...meta('c'), namespace: 'n', ...claim.metadata },
      spec: { volumeName: 'pv', ...claim.spec },
      status: { phase: 'Bound', ...claim.status },
    } as PersistentVolumeClaim)
  if (volume)
    api.put(persistentvolumes, {
      metadata: { ...meta('pv'), annotations },
      spec: { accessModes: ['ReadWriteOnce'], hostPath: { path: '/tmp' }, claimRef: { uid: 'u-c' }, ...volume },
    } as PersistentVolume)
  const claimed = new ClaimedVolumes({
    client: new Client(api),
    nodeName: 'node',
    directory: (_pod, plugin, name) => `/nowhere/${plugin}/${name}`,
    isMounted: async () => true,
  })
  const bring = (to = pod('p'), source: Partial<Volume> = {}): Promise<PreparedVolume> =>
    claimed.prepare(
      { pod: to, volume: { name: 'v', ...source }, claimName: 'c', readOnly: false, onAgain: () => {} },
      new AbortController().signal,
    )
  return { claimed, bring }
}

const LEAVING = { metadata: { deletionTimestamp: 'now' } } as unknown as Partial<PersistentVolumeClaim>
const ON = (rack: string): Partial<PersistentVolume['spec']> => ({
  nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'rack', operator: 'In', values: [rack] }] }] } },
})

const REFUSED: { name: string; given: Given; source?: Partial<Volume>; why: RegExp }[] = [
  { name: 'no claim', given: { claim: null }, why: /^error processing PVC n\/c: failed to fetch PVC from API server: .*not found/ },
  { name: 'a claim that leaves', given: { claim: LEAVING }, why: /: PVC is being deleted$/ },
  { name: 'no volume yet', given: { claim: { status: { phase: 'Pending' } } }, why: /: PVC is not bound$/ },
  { name: 'a volume that is gone', given: { volume: null }, why: /: failed to fetch PV pv from API server: / },
  {
    name: 'a volume of nobody',
    given: { volume: { claimRef: null as never } },
    why: /but it has a nil pv\.Spec\.ClaimRef indicating it is not yet bound to the claim$/,
  },
  {
    name: 'a volume of another claim',
    given: { volume: { claimRef: { uid: 'other' } as never } },
    why: /found PV object pv but its pv\.Spec\.ClaimRef\.UID other does not point to claim\.UID u-c$/,
  },
  {
    name: "another pod's ephemeral volume",
    given: {},
    source: { ephemeral: {} },
    why: /^PVC n\/c was not created for pod n\/p \(pod is not owner\)$/,
  },
  {
    name: 'a device to mount',
    given: { volume: { volumeMode: 'Block' } },
    why: /^volume v has volumeMode Block, but is specified in volumeMounts$/,
  },
  {
    name: 'another node',
    given: { volume: ON('r2') },
    why: /^MountVolume\.NodeAffinity check failed for volume "pv" : no matching NodeSelectorTerms$/,
  },
  {
    name: 'options that it cannot have',
    given: { volume: { mountOptions: ['ro'] } },
    why: /^MountVolume\.MountOptionSupport check failed/,
  },
  {
    name: 'a directory that is not there',
    given: { volume: { hostPath: { path: '/nowhere/at/all', type: 'Directory' } } },
    why: /^MountVolume\.SetUp failed for volume "pv" : hostPath type check failed: \/nowhere\/at\/all is not a directory$/,
  },
  {
    name: 'a kind that this node does not know',
    given: { volume: { hostPath: undefined as never, ...{ awsElasticBlockStore: { volumeID: 'x' } } } },
    why: /persistent volumes of type awsElasticBlockStore are not supported on this node$/,
  },
]
for (const { name, given, source, why } of REFUSED)
  test(`a claim leads nowhere: ${name}`, () =>
    assert.rejects(world(given).bring(pod('p'), source), (error: Error) => why.test(error.message)))

test('a claim that is protected is used up to its end; write protection is nobody’s mode', async () => {
  const metadata = { ...LEAVING.metadata, finalizers: ['kubernetes.io/pvc-protection'] } as PersistentVolumeClaim['metadata']
  const { bring } = world({ claim: { metadata }, volume: { ...ON('r1'), accessModes: ['ReadOnlyMany'] } })
  assert.deepEqual(await bring(), { hostPath: '/tmp', readOnly: false })
})

test('a volume for one pod is kept from a second one until the first is gone', async () => {
  const { claimed, bring } = world({ volume: { accessModes: ['ReadWriteOncePod'] } })
  await bring()
  await bring()
  await assert.rejects(bring(pod('q')), /uses the ReadWriteOncePod access mode and is already in use by another pod/)
  claimed.release('u-p')
  await bring(pod('q'))
})

test('what the default class makes is for users of any id', async (t) => {
  const scratch = await mkdtemp(join(tmpdir(), 'claimed-'))
  t.after(() => rm(scratch, { recursive: true, force: true }))
  const modeOf = async (name: string, annotations: Record<string, string>): Promise<number> => {
    const path = join(scratch, name)
    await world({ volume: { hostPath: { path, type: 'DirectoryOrCreate' } }, annotations }).bring()
    return (await stat(path)).mode & 0o777
  }
  assert.equal(await modeOf('provisioned', { [PROVISIONED_BY]: PROVISIONER }), 0o777)
  assert.equal(await modeOf('by-hand', {}), 0o755)
})
