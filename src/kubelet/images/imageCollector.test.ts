import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { KUBELET_DEFAULTS } from '../configuration.ts'
import type { Container, Image } from '../runtime/runtime.ts'
import { PulledImages } from './pulledImages.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import { ImageCollector, removalOrder } from './imageCollector.ts'

test('the least recently used first; what is new stays', () => {
  const image = (id: string, lastUsedMs: number, detectedMs = 0) => ({ id, sizeBytes: 10, lastUsedMs, detectedMs })
  const order = removalOrder([image('recent', 500), image('old', 100), image('new', 0, 950), image('never', 0)], 1000, 100)
  assert.deepEqual(
    order.map(({ id }) => id),
    ['never', 'old', 'recent'],
  )
})

test('only what the kubelet pulled and nobody loaded since goes, when the disk is full and nothing uses it, and a new kubelet knows it still', async (t) => {
  const rootDir = await mkdtemp(join(tmpdir(), 'images-'))
  t.after(() => rm(rootDir, { recursive: true }))
  const clock = new FakeClock()
  const image = (id: string): Image => ({ id, repoTags: [id], repoDigests: [], sizeBytes: 100 })
  let there = ['stuck', 'pulled', 'spared', 'used', 'loaded', 'pulled and loaded'].map(image)
  const disk = { availableBytes: 100, capacityBytes: 1000 }
  const runtime = {
    images: async () => there,
    list: async () => ({ sandboxes: [], containers: [{ imageId: 'used' } as Container] }),
    async removeImage(id: string) {
      if (id === 'stuck') throw new Error('conflict')
      there = there.filter((one) => one.id !== id)
    },
  }
  const records = () =>
    new PulledImages({
      directory: join(rootDir, 'image_manager'),
      policy: KUBELET_DEFAULTS,
      runtime: { images: async () => [], imageStatus: async () => undefined },
      measures: new KubeletMeasures(clock),
      clock,
      log: silentLogger,
    })
  const first = records()
  for (const id of ['stuck', 'pulled', 'spared', 'used', 'pulled and loaded'])
    await (
      await first.begin(id)
    )({ image: image(id), secret: undefined })
  await first.broughtByHand('pulled and loaded')
  const start = () =>
    new ImageCollector({
      configuration: KUBELET_DEFAULTS,
      runtime,
      clock,
      log: silentLogger,
      rootDir,
      pulledImages: records(),
      disk: async () => disk,
    })
  const names = () => there.map(({ id }) => id)
  const all = names()
  const collector = start()
  await collector.collect()
  assert.deepEqual(names(), all, 'too new')
  await clock.advance(3 * 60_000)
  disk.availableBytes = 200
  await collector.collect()
  assert.deepEqual(names(), all, 'not full')
  disk.availableBytes = 100
  await collector.collect()
  assert.deepEqual(names(), ['stuck', 'spared', 'used', 'loaded', 'pulled and loaded'], 'one that cannot be removed keeps no other')
})
