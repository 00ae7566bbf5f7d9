import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PodStarts } from './podStarts.ts'

test('a start without a sandbox fails once its volumes are left alone, so that the next one does not meet it', async () => {
  const volumes = Promise.withResolvers<void>()
  const preparation = { refreshVolumes: () => volumes.promise, createSandbox: async () => assert.fail('no address left') }
  const starts = new PodStarts({ preparation, limits: { settle: async () => {} } } as never)
  const plan = { createSandbox: true, sandboxAttempt: 0, start: [] }
  const order: string[] = []
  const started = starts
    .start({ metadata: {} } as never, plan as never, {} as never, {} as never, new AbortController().signal)
    .catch((error: Error) => order.push(error.message))
  await new Promise(setImmediate)
  order.push('volumes end')
  volumes.resolve()
  await started
  assert.deepEqual(order, ['volumes end', 'no address left'])
})
