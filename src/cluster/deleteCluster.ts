/**
 * `minicube delete`: container, volume, network, kubeconfig entries and profile, whichever of them are there. With --all also
 * what no profile remembers, and minicube's own engine.
 */
import { rm } from 'node:fs/promises'
import { type EngineAddress, OWN_ENGINE, pingEngine } from './engine/address.ts'
import { engineCandidates } from './engine/discovery.ts'
import { addressOf, type Engine, openEngine } from './engine/engine.ts'
import { startOwnEngine, stopOwnEngine } from './engine/ownEngine.ts'
import { withFileLock } from './fileLock.ts'
import { minicubeHome, profilePaths } from './home.ts'
import { removeFromKubeconfig } from './kubeconfig/file.ts'
import { MANAGED_LABEL, PROFILE_LABEL } from './names.ts'
import { removeNetwork } from './network.ts'
import { checkOwned, inspectNode } from './nodeContainer.ts'
import { listProfiles, type ProfileConfig, readProfile, removeProfile } from './profile.ts'
import { removeNode } from './removeNode.ts'

export interface DeleteClusterOptions {
  profile: string
  onNotice(message: string): void
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

/** True when there was something to delete. Its engine not answering is no reason to keep the rest. */
export async function deleteCluster(options: DeleteClusterOptions): Promise<boolean> {
  const { profile: name, signal, env = process.env } = options
  const home = minicubeHome(env)
  const known = (await listProfiles(home)).valid.some((profile) => profile.name === name) || (await isBroken(home, name))
  if (!known) return false
  const onWait = (): void => options.onNotice(`Waiting: another minicube is working on profile "${name}"`)
  return withFileLock({ path: profilePaths(home, name).lock, signal, onWait }, async () => {
    const profile = await readProfile(home, name).catch(() => undefined)
    if (profile) await deleteFromEngine(profile, options, env)
    await removeFromKubeconfig(name, { env, signal })
    await removeProfile(home, name)
    return true
  })
}

const isBroken = async (home: string, name: string): Promise<boolean> => (await listProfiles(home)).invalid.includes(name)

async function deleteFromEngine(profile: ProfileConfig, options: DeleteClusterOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const { signal } = options
  const address = await addressOf(profile.engineHost, env)
  if (!(await revive(address, options))) {
    options.onNotice(
      `The engine at ${profile.engineHost} does not answer: a container and a volume of "${profile.name}" may still be in it`,
    )
    return
  }
  const state = await inspectNode(address, profile.name, signal)
  if (state) checkOwned(state, profile.name, minicubeHome(env))
  const engine = await openEngine(address)
  await (await import('./workers.ts')).removeWorkers(engine, profile.name)
  await removeNode(engine, profile.name)
  const others = (await listProfiles(minicubeHome(env))).valid.filter(
    (other) => other.name !== profile.name && other.engineHost === profile.engineHost,
  )
  if (others.length === 0) await removeNetwork(engine)
}

/** Our own engine may have been stopped; what it holds can only be removed while it runs. */
async function revive(address: EngineAddress, options: Pick<DeleteClusterOptions, 'signal' | 'onNotice'>): Promise<boolean> {
  if ((await pingEngine(address, options.signal)) === undefined) return true
  if (address.host !== OWN_ENGINE.host || process.getuid?.() !== 0) return false
  return startOwnEngine({ installAllowed: false, onNotice: options.onNotice, signal: options.signal }).then(
    () => true,
    () => false,
  )
}

export interface DeleteAllOptions {
  /** Leave the images in our own engine, so that the next start builds nothing. */
  keepImages?: boolean
  onNotice(message: string): void
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

/** Every cluster, what labelled things are left in engines that answer, and our own engine. Answers the names of the clusters. */
export async function deleteAll(options: DeleteAllOptions): Promise<string[]> {
  const { signal, env = process.env } = options
  const home = minicubeHome(env)
  const { valid, invalid } = await listProfiles(home)
  const names = [...valid.map((profile) => profile.name), ...invalid]
  const addresses = new Map<string, EngineAddress>()
  for (const { engineHost } of valid) addresses.set(engineHost, await addressOf(engineHost, env))
  for (const address of [...(await engineCandidates({ env })).addresses, OWN_ENGINE]) addresses.set(address.host, address)
  for (const name of names) await deleteCluster({ profile: name, onNotice: options.onNotice, signal, env })
  for (const address of addresses.values()) {
    if ((await pingEngine(address, signal)) === undefined) await sweep(await openEngine(address), names, options.keepImages ?? false)
  }
  await stopOwnEngine({ removeData: !options.keepImages, signal })
  await rm(`${home}/config.json`, { force: true })
  return names
}

/** Things with our label that no profile remembers, for example after a lost home folder; not those of another user's profiles. */
async function sweep({ address, docker }: Engine, names: readonly string[], keepImages: boolean): Promise<void> {
  const label = [`${MANAGED_LABEL}=true`]
  const ours = (labels: Record<string, string> | undefined): boolean =>
    address.host === OWN_ENGINE.host || names.includes(labels?.[PROFILE_LABEL] ?? '')
  const gone = (error: unknown): void => {
    if (!(error instanceof Error && 'statusCode' in error && (error.statusCode === 404 || error.statusCode === 409))) throw error
  }
  for (const container of await docker.listContainers({ all: true, filters: { label } })) {
    if (ours(container.Labels)) await docker.getContainer(container.Id).remove({ force: true, v: true }).catch(gone)
  }
  for (const volume of (await docker.listVolumes({ filters: { label } })).Volumes ?? []) {
    if (ours(volume.Labels)) await docker.getVolume(volume.Name).remove().catch(gone)
  }
  await removeNetwork({ address, docker })
  if (keepImages || address.host === OWN_ENGINE.host) return
  for (const image of await docker.listImages({ filters: { label } })) {
    for (const tag of image.RepoTags ?? []) if (tag.startsWith('minicube/')) await docker.getImage(tag).remove().catch(gone)
  }
}
