/** What a run that was killed with -9 left behind: its cluster, which has the name of the next run's, and its home folder. */
import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineHttpError, engineGet, OWN_ENGINE, pingEngine } from '../../src/cluster/engine/address.ts'
import { engineCandidates } from '../../src/cluster/engine/discovery.ts'
import { openEngine } from '../../src/cluster/engine/engine.ts'
import { MANAGED_LABEL, PROFILE_LABEL, volumeName } from '../../src/cluster/names.ts'
import { removeNode } from '../../src/cluster/removeNode.ts'
import { removeWorkers } from '../../src/cluster/workers.ts'

/** In a test cluster's home: the id of the process that it belongs to. */
const OWNER_FILE = 'owner'
const LIMIT_MS = 60_000

export async function markOwn(home: string): Promise<void> {
  await writeFile(join(home, OWNER_FILE), String(process.pid))
}

/** Throws when another run is using the profile at this moment: both would work on one cluster. */
export async function removeLeftovers(profile: string, folder: string): Promise<void> {
  const isHome = new RegExp(`^${profile}-[A-Za-z0-9]{6}$`)
  const homes = (await readdir(folder)).filter((name) => isHome.test(name)).map((name) => join(folder, name))
  for (const home of homes) {
    const owner = await readFile(join(home, OWNER_FILE), 'utf8').catch(() => '')
    if (owner !== '' && isAlive(Number(owner))) throw new Error(`process ${owner} is using a test cluster "${profile}" (${home})`)
  }
  await removeFromEngines(profile)
  for (const home of homes) await rm(home, { recursive: true, force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function removeFromEngines(profile: string): Promise<void> {
  const signal = AbortSignal.timeout(LIMIT_MS)
  for (const address of [...(await engineCandidates({})).addresses, OWN_ENGINE]) {
    if ((await pingEngine(address, signal)) !== undefined) continue
    const labels = await Promise.all([
      labelsOf(
        () => engineGet(address, `/containers/${profile}/json`, signal) as Promise<{ Config: Labelled }>,
        ({ Config }) => Config,
      ),
      labelsOf(
        () => engineGet(address, `/volumes/${volumeName(profile)}`, signal) as Promise<Labelled>,
        (volume) => volume,
      ),
    ])
    if (!labels.some((all) => all[MANAGED_LABEL] === 'true' && all[PROFILE_LABEL] === profile)) continue
    const engine = await openEngine(address)
    await removeWorkers(engine, profile)
    await removeNode(engine, profile)
  }
}

interface Labelled {
  Labels: Record<string, string> | null
}

/** None of what is not there. */
async function labelsOf<T>(get: () => Promise<T>, labelled: (found: T) => Labelled): Promise<Record<string, string>> {
  try {
    return labelled(await get()).Labels ?? {}
  } catch (error) {
    if (error instanceof EngineHttpError && error.statusCode === 404) return {}
    throw error
  }
}
