/**
 * What `kubectl explain` says of kinds and fields. The prose is not part of this project: tools/catalog/descriptions.ts
 * collects it from a development dependency, once for each version of either, into the checkout's cache.
 */
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { contentKey, PROJECT_ROOT } from './sources.ts'

const SOURCE = '@kubernetes/client-node'
const COLLECTOR = join(PROJECT_ROOT, 'tools/catalog/descriptions.ts')

/** Whether they can be collected here: an installed npm package has neither the collector nor its source. */
export function hasDescriptions(): boolean {
  if (!existsSync(COLLECTOR)) return false
  try {
    createRequire(import.meta.url).resolve(SOURCE)
    return true
  } catch {
    return false
  }
}

/** The file with them; undefined where they cannot be collected. */
export async function ensureDescriptions(signal: AbortSignal): Promise<string | undefined> {
  if (!hasDescriptions()) return undefined
  const cache = join(PROJECT_ROOT, '.cache')
  const file = join(cache, `descriptions-${await contentKey([COLLECTOR, join(PROJECT_ROOT, 'package.json')])}.json`)
  if (existsSync(file)) return file
  await mkdir(cache, { recursive: true })
  const temporary = `${file}.${process.pid}`
  try {
    const { run } = await import('../../base/exec.ts')
    await run(process.execPath, [COLLECTOR, temporary], { signal })
    await rename(temporary, file)
  } finally {
    await rm(temporary, { force: true })
  }
  return file
}
