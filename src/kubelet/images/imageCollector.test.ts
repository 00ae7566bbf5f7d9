import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { KUBELET_DEFAULTS, type KubeletConfiguration } from '../configuration.ts'
import type { Container, Image } from '../runtime/runtime.ts'
import { PulledImages } from './pulledImages.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import { ImageCollector, removalOrder, sizeText, toFree } from './imageCollector.ts'

test('the least recently used first; what is new stays', () => {
  const image = (id: string, lastUsedMs: number, detectedMs = 0) => ({ id, sizeBytes: 10, lastUsedMs, detectedMs })
  const order = removalOrder([image('recent', 500), image('old', 100), image('new', 0, 950), image('never', 0)], 1000, 100)
  assert.deepEqual(
    order.map(({ id }) => id),
    ['never', 'old', 'recent'],
  )
})

const percents: [available: number, want: ReturnType<typeof toFree>][] = [
  [160, undefined],
  [151, { usedPercent: 85, bytes: 49 }],
  [150, { usedPercent: 85, bytes: 50 }],
  [149, { usedPercent: 86, bytes: 51 }],
  [0, { usedPercent: 100, bytes: 200 }],
  [2000, undefined],
]
for (const [availableBytes, want] of percents)
  test(`with ${availableBytes} of 1000 bytes left ${want?.bytes ?? 0} have to come free`, () =>
    assert.deepEqual(toFree({ availableBytes, capacityBytes: 1000 }, KUBELET_DEFAULTS), want))

test('sizes are written in binary units', () => {
  const sizes = [0, 1023, 1024, 1536 * 2 ** 20, 3 * 2 ** 40, 2 ** 60].map(sizeText)
  assert.deepEqual(sizes, ['0 B', '1023 B', '1.0 KiB', '1.5 GiB', '3.0 TiB', '1048576.0 TiB'])
})

const image = (id: string): Image => ({ id, repoTags: [id], repoDigests: [], sizeBytes: 100 })

async function setUp(t: TestContext, names: readonly string[], configuration: Partial<KubeletConfiguration> = {}) {
  const rootDir = await mkdtemp(join(tmpdir(), 'images-'))
  t.after(() => rm(rootDir, { recursive: true }))
  const clock = new FakeClock()
  const disk = { availableBytes: 1000, capacityBytes: 1000 }
  const [events, used, stuck] = [[] as string[], new Set<string>(), new Set<string>()]
  let there = names.map(image)
  const runtime = {
    images: async () => there,
    imageStatus: async () => undefined,
    list: async () => ({ sandboxes: [], containers: [...used].map((imageId) => ({ imageId }) as Container) }),
    async removeImage(id: string) {
      if (stuck.has(id)) throw new Error(`conflict: ${id}`)
      there = there.filter((one) => one.id !== id)
    },
  }
  const measures = new KubeletMeasures(clock)
  const common = { runtime, clock, measures, log: silentLogger }
  const records = () => new PulledImages({ ...common, directory: join(rootDir, 'image_manager'), policy: KUBELET_DEFAULTS })
  const collector = () =>
    new ImageCollector({
      ...common,
      configuration: { ...KUBELET_DEFAULTS, ...configuration },
      rootDir,
      pulledImages: records(),
      disk: async () => disk,
      onNodeEvent: (reason, message) => void events.push(`${reason}: ${message}`),
    })
  const pulled = async (...ids: string[]): Promise<void> => {
    const all = there
    there = there.filter(({ id }) => !ids.includes(id))
    for (const id of ids) await (await records().begin(id))({ image: image(id), secret: undefined })
    there = all
  }
  const removed = () => measures.metrics().find(({ name }) => name === 'kubelet_image_garbage_collected_total')?.samples
  return { clock, disk, events, used, stuck, records, collector, pulled, removed, names: () => there.map(({ id }) => id) }
}

test('only what the kubelet pulled and nobody loaded since goes, when the disk is full and nothing uses it, and a new kubelet knows it still', async (t) => {
  const { clock, disk, used, stuck, records, pulled, removed, names, ...w } = await setUp(t, [
    'stuck',
    'pulled',
    'spared',
    'used',
    'loaded',
    'pulled and loaded',
  ])
  await pulled('stuck', 'pulled', 'spared', 'used', 'pulled and loaded')
  await records().broughtByHand('pulled and loaded')
  used.add('used')
  stuck.add('stuck')
  const all = names()
  const collector = w.collector()
  disk.availableBytes = 100
  await assert.rejects(collector.collect(), /^Error: Insufficient free disk space/)
  assert.deepEqual(names(), all, 'too new')
  await clock.advance(3 * 60_000)
  disk.availableBytes = 200
  await collector.collect()
  assert.deepEqual(names(), all, 'not full')
  disk.availableBytes = 100
  await assert.rejects(collector.collect(), {
    message: 'wanted to free 100 bytes, but freed 100 bytes space with errors in image deletion: conflict: stuck',
  })
  assert.deepEqual(names(), ['stuck', 'spared', 'used', 'loaded', 'pulled and loaded'], 'one that cannot be removed keeps no other')
  assert.deepEqual(removed(), [{ labels: { reason: 'space' }, value: 1 }])
})

test('a disk that stays full is told, failures from the second one on', async (t) => {
  const { clock, disk, events, stuck, pulled, names, ...w } = await setUp(t, ['loaded', 'stuck'])
  await pulled('stuck')
  const collector = w.collector()
  const pass = async (): Promise<string[]> => {
    await clock.advance(5 * 60_000)
    await collector.pass()
    return events.splice(0)
  }
  assert.deepEqual(await pass(), [])
  disk.availableBytes = 100
  disk.capacityBytes = 0
  assert.deepEqual(await pass(), ['InvalidDiskCapacity: invalid capacity 0 on image filesystem'])
  disk.capacityBytes = 1000
  stuck.add('stuck')
  const failure = 'wanted to free 100 bytes, but freed 0 bytes space with errors in image deletion: conflict: stuck'
  assert.deepEqual(await pass(), [`ImageGCFailed: ${failure}`])
  disk.availableBytes = 1000
  assert.deepEqual(await pass(), [])
  stuck.clear()
  disk.availableBytes = 50
  const full =
    "Insufficient free disk space on the node's image filesystem (95% of 1000 B used). Failed to free sufficient space by deleting unused images (freed 100 bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other data."
  assert.deepEqual(await pass(), [`FreeDiskSpaceFailed: ${full}`])
  assert.deepEqual(names(), ['loaded'])
})

test('what nothing has used for longer than the maximum age goes, counted from when it was last seen in use or first seen', async (t) => {
  const { clock, used, pulled, removed, names, ...w } = await setUp(t, ['loaded', 'used', 'unused'], { imageMaximumGcAgeMs: 10 * 60_000 })
  await pulled('used', 'unused')
  const collector = w.collector()
  used.add('used')
  await collector.collect()
  await clock.advance(10 * 60_000)
  await collector.collect()
  assert.deepEqual(names(), ['loaded', 'used', 'unused'])
  used.clear()
  await clock.advance(1)
  await collector.collect()
  assert.deepEqual(names(), ['loaded', 'used'])
  await clock.advance(10 * 60_000)
  await w.collector().collect()
  assert.deepEqual(names(), ['loaded', 'used'], 'a new kubelet does not know since when')
  await collector.collect()
  assert.deepEqual(names(), ['loaded'])
  assert.deepEqual(removed(), [{ labels: { reason: 'age' }, value: 2 }])
})
