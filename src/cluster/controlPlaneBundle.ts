/**
 * The control plane's program as `minicube control-plane` runs it: linking its hundreds of modules takes longer than all the
 * rest of its start, so the first run makes a bundle in the user's cache folder and later ones use it.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { bundleControlPlane } from './nodeImage/bundle.ts'
import { PROJECT_ROOT } from './nodeImage/sources.ts'

const PREFIX = 'control-plane-'
const KEY_LENGTH = 16
/** Bundles of other checkouts and of earlier states that are left in the cache. */
const KEPT_BUNDLES = 4
const HOST_ROOMS = new Set(['cli', 'cluster'])

const SOURCE_ENTRY = join(PROJECT_ROOT, 'src/node/controlPlane.ts')

/** Names, sizes and times of all that goes into the bundle: a tenth of the time that reading it takes. */
function stateKey(): string {
  const hash = createHash('sha256').update(`${process.version}\0`)
  const add = (path: string): void => {
    const { size, mtimeMs, ctimeMs } = statSync(path)
    hash.update(`${path}\0${size}\0${mtimeMs}\0${ctimeMs}\0`)
  }
  const visit = (directory: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) visit(path)
      else if (!entry.name.endsWith('.test.ts')) add(path)
    }
  }
  const source = join(PROJECT_ROOT, 'src')
  for (const room of readdirSync(source)) if (!HOST_ROOMS.has(room)) visit(join(source, room))
  // Dependencies are bundled too; their versions stand in the manifest exactly.
  for (const file of ['package.json', 'src/cluster/nodeImage/bundle.ts']) add(join(PROJECT_ROOT, file))
  return hash.digest('hex').slice(0, KEY_LENGTH)
}

function removeOld(cache: string, current: string): void {
  const others = readdirSync(cache)
    .filter((name) => name.startsWith(PREFIX) && name !== current)
    .map((name) => ({ path: join(cache, name), usedMs: statSync(join(cache, name)).mtimeMs }))
    .sort((a, b) => b.usedMs - a.usedMs)
  for (const { path } of others.slice(KEPT_BUNDLES)) rmSync(path, { recursive: true, force: true })
}

/** The program to run; the sources themselves where no bundle can be made. */
export async function controlPlaneProgram(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const cache = join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'minicube')
  const name = PREFIX + stateKey()
  const program = join(cache, name, 'main.mjs')
  if (existsSync(program)) return program
  const temporary = join(cache, `.${name}.${process.pid}`)
  try {
    const files = await bundleControlPlane()
    mkdirSync(temporary, { recursive: true, mode: 0o700 })
    for (const [file, content] of files) writeFileSync(join(temporary, file), content)
    renameSync(temporary, join(cache, name))
    removeOld(cache, name)
    return program
  } catch {
    rmSync(temporary, { recursive: true, force: true })
    return existsSync(program) ? program : SOURCE_ENTRY
  }
}
