import assert from 'node:assert/strict'
import { chmod, lstat, mkdir, mkdtemp, readFile, readdir, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { ConfigMap, Pod } from '../../api/kinds/core/v1.ts'
import { assertSafePath, writeAtomically } from './atomicWriter.ts'
import { fileVolumeSpace } from './fileVolumes.ts'
import { prepareHostPath } from './hostPath.ts'
import { applyFsGroup } from './ownership.ts'
import { configMapPayload, downwardPayload } from './payload.ts'
import type { Payload } from './payload.ts'
import { projectedPayload } from './projected.ts'
import { localMounts, mountLocal } from './localVolume.ts'
import { ClaimError, NotAttachedError, podVolumesError, VolumePending, volumeError, VolumeStepError } from './volumeErrors.ts'
import { nfsOptions, nfsType } from './nfs.ts'
import { openSubPath } from './subPath.ts'
import { emptyDirMount, memoryVolumeBytes } from './emptyDir.ts'

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'volumes-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

const files = (entries: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(entries).map(([path, text]) => [path, { data: Buffer.from(text), mode }]))

test('files appear behind ..data, change together and vanish together', async (t) => {
  const directory = await scratch(t)
  assert.equal(await writeAtomically(directory, files({ a: '1', 'sub/b': '2' })), true)
  assert.equal(await readFile(join(directory, 'a'), 'utf8'), '1')
  assert.equal(await readFile(join(directory, 'sub/b'), 'utf8'), '2')
  assert.equal(await readlink(join(directory, 'a')), '..data/a')
  const first = await readlink(join(directory, '..data'))
  assert.equal(await writeAtomically(directory, files({ a: '1', 'sub/b': '2' })), false)
  assert.equal(await readlink(join(directory, '..data')), first)
  assert.equal(await writeAtomically(directory, files({ a: '9' })), true)
  assert.equal(await readFile(join(directory, 'a'), 'utf8'), '9')
  const names = await readdir(directory)
  assert.deepEqual(
    names.filter((name) => !name.startsWith('..')),
    ['a'],
  )
  assert.equal(names.filter((name) => name.startsWith('..2')).length, 1)
  assert.notEqual(await readlink(join(directory, '..data')), first)
})

test('a changed mode is a change', async (t) => {
  const directory = await scratch(t)
  await writeAtomically(directory, files({ a: '1' }, 0o644))
  assert.equal(await writeAtomically(directory, files({ a: '1' }, 0o400)), true)
  assert.equal((await stat(join(directory, 'a'))).mode & 0o777, 0o400)
})

test('what is written belongs to the group as a whole', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async (t) => {
  const directory = join(await scratch(t), 'v')
  await writeAtomically(directory, files({ 'sub/a': '1' }, 0o200), { gid: 4321, mode: 0o1777 })
  const shown = async (path: string): Promise<string> => {
    const { gid, mode } = await stat(join(directory, path))
    return `${gid} ${(mode & 0o7777).toString(8)}`
  }
  assert.deepEqual(await Promise.all(['.', '..data', 'sub', 'sub/a'].map(shown)), ['4321 3777', '4321 2755', '4321 2755', '4321 640'])
  assert.equal(await writeAtomically(directory, files({ 'sub/a': '1' }, 0o200), { gid: 4321, mode: 0o1777 }), false)
  assert.equal(await writeAtomically(directory, files({ 'sub/a': '2' }, 0o200), { mode: 0o777 }), true)
  assert.deepEqual(await Promise.all(['..data', 'sub/a'].map(shown)), ['0 755', '0 200'])
})

for (const path of ['', '/etc/passwd', '../x', 'a/../../x', '..data', '..x/y', 'a\0b']) {
  test(`the path ${JSON.stringify(path)} is refused`, () => assert.throws(() => assertSafePath(path)))
}
for (const path of ['a', 'a/b', '.hidden', 'a..b']) test(`the path ${path} is fine`, () => assertSafePath(path))

test('a ConfigMap gives its keys, or the items that are named', () => {
  const map = { data: { a: '1', b: '2' }, binaryData: { c: Buffer.from([0, 255]).toString('base64') } } as unknown as ConfigMap
  const options = { defaultMode: 0o644, optional: false, missing: 'configmap references non-existent config key' }
  assert.deepEqual([...configMapPayload(map, { ...options, items: undefined }).keys()], ['a', 'b', 'c'])
  const chosen = configMapPayload(map, { ...options, items: [{ key: 'a', path: 'x/y', mode: 0o400 }] })
  assert.deepEqual(
    [...chosen].map(([path, file]) => [path, Buffer.from(file.data).toString(), file.mode]),
    [['x/y', '1', 0o400]],
  )
  assert.throws(
    () => configMapPayload(map, { ...options, items: [{ key: 'nope', path: 'x' }] }),
    /configmap references non-existent config key: nope/,
  )
  assert.equal(configMapPayload(map, { ...options, optional: true, items: [{ key: 'nope', path: 'x' }] }).size, 0)
})

test('a source that stands for nothing is passed over, one that cannot be had is not', async () => {
  const pod = { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [] } } as unknown as Pod
  const nothing = async () => undefined
  const sources = { facts: { nodeIps: [], podIps: [], allocatable: {} }, configMap: nothing, secret: nothing, token: async () => 't' }
  const payload = (...list: object[]): Promise<Payload> => projectedPayload(pod, { name: 'v', projected: { sources: list } }, sources)
  assert.deepEqual([...(await payload({}, { serviceAccountToken: { path: 't' } })).keys()], ['t'])
  await assert.rejects(payload({ clusterTrustBundle: { path: 'x' } }), /clusterTrustBundle is not supported/)
  await assert.rejects(payload({ secret: { name: 's' } }), /secret "s" not found/)
})

test('the downward API writes labels as sorted key="value" lines', () => {
  const pod = {
    metadata: { name: 'p', namespace: 'n', uid: 'u', labels: { b: '2', a: 'say "hi"' } },
    spec: { containers: [] },
  } as unknown as Pod
  const payload = downwardPayload(pod, [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }], 0o644, {
    nodeIps: [],
    podIps: [],
    allocatable: {},
  })
  assert.equal(Buffer.from(payload.get('labels')?.data ?? []).toString(), 'a="say \\"hi\\""\nb="2"')
})

test('a subPath is made where it is missing and never leads out of the volume', async (t) => {
  const directory = await scratch(t)
  const volume = join(directory, 'volume')
  await mkdir(join(volume, 'real'), { recursive: true })
  await symlink('real', join(volume, 'inside'))
  await symlink('/etc', join(volume, 'outside'))
  const opened = async (subPath: string): Promise<string> => {
    const handle = await openSubPath(volume, subPath)
    return readlink(`/proc/self/fd/${handle.fd}`).finally(() => handle.close())
  }
  await chmod(volume, 0o757)
  assert.equal(await opened('a/b'), join(volume, 'a/b'))
  assert.equal((await stat(join(volume, 'a/b'))).mode & 0o777, 0o757)
  assert.equal(await opened('inside'), join(volume, 'real'))
  await assert.rejects(opened('outside/passwd'), /leads out of its volume/)
  await assert.rejects(opened('outside/not/there'), /leads out of its volume/)
  await assert.rejects(opened('../x'), /must not contain '\.\.'/)
  await assert.rejects(opened('/x'), /must not be an absolute path/)
})

test('a link that is exchanged while a subPath is opened never leads out of the volume', async (t) => {
  const directory = await scratch(t)
  const [volume, secret] = [join(directory, 'volume'), join(directory, 'secret')]
  await Promise.all([mkdir(join(volume, 'real'), { recursive: true }), mkdir(secret)])
  const racing = new AbortController()
  const race = async (): Promise<void> => {
    for (let turn = 0; !racing.signal.aborted; turn++) {
      await symlink(turn % 2 ? secret : 'real', join(volume, 'next'))
      await rename(join(volume, 'next'), join(volume, 'x'))
    }
  }
  const exchanging = race()
  const seen = new Set<string>()
  for (let tries = 0; tries < 300; tries++) {
    const handle = await openSubPath(volume, 'x').catch(() => undefined)
    if (handle) seen.add(await readlink(`/proc/self/fd/${handle.fd}`).finally(() => handle.close()))
  }
  racing.abort()
  await exchanging
  assert.ok(!seen.has(secret), 'it led out of the volume')
})

test('hostPath types are checked, and made where they say so', async (t) => {
  const directory = await scratch(t)
  await writeFile(join(directory, 'file'), '')
  await prepareHostPath(join(directory, 'file'), 'File')
  await prepareHostPath(join(directory, 'new'), 'DirectoryOrCreate')
  await prepareHostPath(join(directory, 'touched'), 'FileOrCreate')
  assert.ok((await stat(join(directory, 'touched'))).isFile())
  await assert.rejects(prepareHostPath(join(directory, 'file'), 'Directory'), /hostPath type check failed: .*file is not a directory/)
  await assert.rejects(prepareHostPath(join(directory, 'none'), 'Socket'), /is not a socket/)
})

test('fsGroup owns the tree', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async (t) => {
  const directory = await scratch(t)
  await writeFile(join(directory, 'f'), '')
  await chmod(join(directory, 'f'), 0o600)
  await applyFsGroup(directory, { gid: 4321, policy: undefined, readOnly: false })
  const info = await stat(join(directory, 'f'))
  assert.deepEqual([info.gid, info.mode & 0o777], [4321, 0o660])
  assert.equal((await stat(directory)).mode & 0o2070, 0o2070)
})

test('fsGroup stays in the volume, whatever a pod that writes to it puts in the place of a file', async (t) => {
  const directory = await scratch(t)
  const [volume, victim] = [join(directory, 'volume'), join(directory, 'victim')]
  await mkdir(join(volume, 'a'), { recursive: true })
  await writeFile(victim, 'x', { mode: 0o600 })
  await writeFile(join(volume, 'a/file'), 'x')
  await symlink(victim, join(volume, 'a/link'))
  const over = new AbortController()
  const swap = (async () => {
    while (!over.signal.aborted) {
      await rename(join(volume, 'a/file'), join(volume, 'a/kept'))
      await rename(join(volume, 'a/link'), join(volume, 'a/file'))
      await rename(join(volume, 'a/file'), join(volume, 'a/link'))
      await rename(join(volume, 'a/kept'), join(volume, 'a/file'))
    }
  })()
  try {
    for (let n = 0; n < 200; n++) await applyFsGroup(volume, { gid: 4321, policy: undefined, readOnly: false })
  } finally {
    over.abort()
    await swap
  }
  const info = await stat(victim)
  assert.deepEqual([info.gid === 4321, info.mode & 0o777], [false, 0o600])
  assert.deepEqual([(await stat(join(volume, 'a/file'))).gid, (await lstat(join(volume, 'a/link'))).gid], [4321, 4321])
})

test('what the data link of a volume leads to is removed only where the writer made it', async (t) => {
  const directory = await scratch(t)
  const precious = join(directory, 'precious')
  for (const target of ['../precious', precious, '..']) {
    const volume = join(directory, 'volume')
    await mkdir(volume)
    await mkdir(precious, { recursive: true })
    await writeFile(join(precious, 'file'), 'x')
    await symlink(target, join(volume, '..data'))
    await writeAtomically(volume, files({ a: '1' }))
    assert.equal(await readFile(join(volume, 'a'), 'utf8'), '1')
    assert.equal(await readFile(join(precious, 'file'), 'utf8'), 'x')
    await rm(volume, { recursive: true })
  }
})

test('a volume in memory is as large as volume, pod and node allow', () => {
  const pod = (...limits: (string | undefined)[]): Pod =>
    ({
      metadata: {},
      spec: { containers: limits.map((memory) => (memory ? { resources: { limits: { memory } } } : {})) },
    }) as unknown as Pod
  assert.deepEqual(
    [
      memoryVolumeBytes(pod(undefined), undefined, 1000),
      memoryVolumeBytes(pod(undefined), '100', 1000),
      memoryVolumeBytes(pod('30', '40'), '100', 1000),
      memoryVolumeBytes(pod('30', undefined), undefined, 1000),
    ],
    [1000, 100, 70, 1000],
  )
})

test('huge pages are mounted in the size that the pod asks for', () => {
  const asking = (...sizes: string[]): Pod => ({
    metadata: { name: 'p', uid: 'u', namespace: 'ns', creationTimestamp: '', resourceVersion: '' },
    spec: { containers: sizes.map((size) => ({ name: size.toLowerCase(), resources: { requests: { [`hugepages-${size}`]: '4Mi' } } })) },
  })
  const options = (pod: Pod, medium: string): string | undefined => emptyDirMount(pod, { medium }, 0)?.options
  assert.equal(options(asking('2Mi', '2Mi'), 'HugePages'), 'nodev,pagesize=2M')
  assert.equal(options(asking('2Mi', '1Gi'), 'HugePages-1Gi'), 'nodev,pagesize=1G')
  assert.throws(
    () => options(asking('2Mi', '1Gi'), 'HugePages'),
    /^EmptyDirError: medium: HugePages can't be used if container requests multiple/,
  )
  assert.throws(
    () => options(asking('2Mi'), 'HugePages-1Gi'),
    /medium HugePages-1Gi: hugePages storage requested, but there is no resource/,
  )
})

test('how the kernel is told to mount NFS', () => {
  assert.deepEqual(
    [nfsType('nodev\tsysfs\nnodev\tnfs4\n\text4\n'), nfsType('nodev\tnfs\n'), nfsType('\text4\nnodev\tnfsd\n')],
    ['nfs4', 'nfs', undefined],
  )
  assert.equal(nfsOptions('10.0.0.1', true, ['vers=4.1', 'rw', 'addr=1.2.3.4', 'hard']), 'ro,vers=4.1,hard,addr=10.0.0.1')
})

test('files made from objects take their own part of the file system that they are on', async (t) => {
  const directory = await scratch(t)
  const volume = join(directory, 'volume')
  await writeAtomically(volume, files({ a: 'x'.repeat(10_000) }))
  await symlink(volume, join(directory, 'usual'))
  const { usedBytes = 0, inodesUsed, capacityBytes = 0 } = await fileVolumeSpace(join(directory, 'usual'))
  assert.ok(usedBytes >= 10_000 && usedBytes < 100_000 && capacityBytes > usedBytes)
  // The folder, the one of its data, the link to it, the file and the link to that.
  assert.equal(inodesUsed, 5)
})

test('a local path that is not there is told as upstream does', () =>
  assert.rejects(
    mountLocal({ path: '/nowhere/at/all', fsType: '', readOnly: false, mountOptions: [] }, '/nowhere', AbortSignal.timeout(1_000)),
    {
      step: 'MountVolume.NewMounter initialization failed',
      message: 'path "/nowhere/at/all" does not exist',
    },
  ))

test('how a local volume is mounted', () => {
  const local = { path: '/mnt/d', fsType: '', readOnly: false, mountOptions: [] as string[] }
  const shown = (...given: Parameters<typeof localMounts>): string[] => localMounts(...given).map((command) => command.join(' '))
  assert.deepEqual(shown('directory', local, '/v'), ['mount --bind /mnt/d /v'])
  assert.deepEqual(shown('directory', { ...local, readOnly: true, mountOptions: ['noexec'] }, '/v'), [
    'mount --bind /mnt/d /v',
    'mount -o remount,bind,ro,noexec /v',
  ])
  assert.deepEqual(shown('device', local, '/v'), ['mount -t ext4 /mnt/d /v'])
  assert.deepEqual(shown('device', { ...local, fsType: 'xfs', mountOptions: ['noatime'] }, '/v'), ['mount -t xfs -o noatime /mnt/d /v'])
})

test('what is told of volumes that cannot be had: what failed first, then whose claim leads nowhere, last who waits', () => {
  const broken = volumeError('v', new Error('no'))
  const mapped = volumeError('v', new VolumeStepError('MapVolume.SetUpDevice failed', 'no'))
  assert.deepEqual(
    [broken.reason, mapped.reason, mapped.message],
    ['FailedMount', 'FailedMapVolume', 'MapVolume.SetUpDevice failed for volume "v" : no'],
  )
  const claim = new ClaimError('error processing PVC n/c: PVC is not bound')
  const waiting = new NotAttachedError('not yet')
  const said = (...errors: [string, unknown][]): string => String(podVolumesError(new Map(errors)))
  assert.equal(said(['a', claim], ['b', broken]), 'VolumeError: MountVolume.SetUp failed for volume "v" : no')
  assert.equal(
    said(['b', waiting], ['a', claim]),
    'VolumeError: Unable to attach or mount volumes: unmounted volumes=[a b], unattached volumes=[b], failed to process volumes=[a]: ' +
      'error processing PVC n/c: PVC is not bound',
  )
  assert.ok(podVolumesError(new Map([['b', waiting]])) instanceof VolumePending)
  assert.match(said(['b', waiting]), /unattached volumes=\[b\], failed to process volumes=\[\]: timed out waiting for the condition$/)
})
