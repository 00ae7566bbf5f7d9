/** The engine beside us, which init starts while we load: when it answers, and that it has the images every node needs. */
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, watch, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { basename, dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { loadImages } from '../kubelet/runtime/docker/loadImages.ts'

const RETRY_MS = 20
const PING_TIMEOUT_MS = 10_000

/** Resolves as soon as the file is there. */
async function fileThere(path: string, signal: AbortSignal): Promise<void> {
  const watcher = watch(dirname(path), { signal })
  try {
    while (!existsSync(path)) {
      const [, name] = (await once(watcher, 'change', { signal })) as [string, string]
      if (name === basename(path)) break
    }
  } finally {
    watcher.close()
  }
}

async function ping(socketPath: string, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const call = request({ socketPath, path: '/_ping', timeout: PING_TIMEOUT_MS, signal }, (response) => {
    response.resume()
    resolve(response.statusCode === 200)
  })
  call.on('error', () => resolve(false))
  call.on('timeout', () => call.destroy())
  call.end()
  return promise
}

export async function engineReady(socketPath: string, clock: Clock, signal: AbortSignal): Promise<void> {
  await fileThere(socketPath, signal)
  // The socket of an engine that was killed stays behind: only an answer counts.
  while (!(await ping(socketPath, signal))) await clock.sleep(RETRY_MS, signal)
}

/** Loads the shipped images once for each version of the tar. */
export async function ensureImages(socketPath: string, tarPath: string, stampPath: string, signal: AbortSignal): Promise<void> {
  if (!existsSync(tarPath)) return
  const { size, mtimeMs } = statSync(tarPath)
  const stamp = `${size} ${mtimeMs}`
  if (existsSync(stampPath) && readFileSync(stampPath, 'utf8') === stamp) return
  await loadImages(socketPath, tarPath, signal)
  writeFileSync(stampPath, stamp)
}
