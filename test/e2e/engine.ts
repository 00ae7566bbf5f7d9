/** The engine under a test cluster: what a user would do to it with docker, and what must not be left in it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addressOf } from '../../src/cluster/engine/engine.ts'
import { engineGet, engineRequest, OWN_ENGINE, type EngineAddress } from '../../src/cluster/engine/address.ts'
import { startOwnEngine } from '../../src/cluster/engine/ownEngine.ts'
import { MANAGED_LABEL, PROFILE_LABEL, volumeName } from '../../src/cluster/names.ts'
import { readProfile } from '../../src/cluster/profile.ts'
import { eventually, type Cluster } from './minicube.ts'

const LIMIT_MS = 120_000
const limit = (): AbortSignal => AbortSignal.timeout(LIMIT_MS)
const lastAddress = new Map<string, EngineAddress>()

async function engineOf(cluster: Cluster): Promise<EngineAddress> {
  const profile = await readProfile(cluster.env['MINICUBE_HOME'] ?? '', cluster.profile)
  const known = lastAddress.get(cluster.profile)
  const address = profile ? await addressOf(profile.engineHost) : (known ?? OWN_ENGINE)
  lastAddress.set(cluster.profile, address)
  return address
}

interface Inspected {
  State: { Pid: number }
  Config: { Image: string }
}

export async function inspectNode(cluster: Cluster): Promise<{ pid: number; image: string; imageBytes: number }> {
  const engine = await engineOf(cluster)
  const { State, Config } = (await engineGet(engine, `/containers/${cluster.profile}/json`, limit())) as Inspected
  const image = (await engineGet(engine, `/images/${encodeURIComponent(Config.Image)}/json`, limit())) as { Size: number }
  return { pid: State.Pid, image: Config.Image, imageBytes: image.Size }
}

/** What a container of the cluster has written since it was made. */
export async function containerLog(cluster: Cluster, name: string): Promise<string> {
  const { default: Docker } = await import('dockerode')
  const { host } = await engineOf(cluster)
  const container = new Docker({ socketPath: host.replace('unix://', '') }).getContainer(name)
  return (await container.logs({ stdout: true, stderr: true })).toString()
}

/** As `docker restart` does. */
export async function restartNodeContainer(cluster: Cluster): Promise<void> {
  await engineRequest(await engineOf(cluster), 'POST', `/containers/${cluster.profile}/restart?t=30`, limit())
}

/** Kills the engine that minicube runs and starts it again, as a reboot of the engine does; a reason when it is not ours to restart. */
export async function restartOwnEngine(cluster: Cluster): Promise<string | undefined> {
  const engine = await engineOf(cluster)
  if (engine.host !== OWN_ENGINE.host) return `the engine at ${engine.host} belongs to this machine's user`
  const pid = Number(await readFile('/run/minicube/docker.pid', 'utf8'))
  process.kill(pid, 'SIGTERM')
  await eventually('the engine to end', async () => {
    try {
      process.kill(pid, 0)
      return false
    } catch {
      return true
    }
  })
  await startOwnEngine({ installAllowed: false, onNotice: () => {}, signal: limit() })
  return undefined
}

/** Containers and volumes of the cluster that are still there. */
export async function leftovers(cluster: Cluster): Promise<string[]> {
  const engine = await engineOf(cluster)
  const filter = encodeURIComponent(JSON.stringify({ label: [`io.minicube.profile=${cluster.profile}`] }))
  try {
    const containers = (await engineGet(engine, `/containers/json?all=1&filters=${filter}`, limit())) as { Names: string[] }[]
    const volumes = (await engineGet(engine, `/volumes?filters=${filter}`, limit())) as { Volumes: { Name: string }[] | null }
    return [...containers.map((c) => `container ${c.Names[0]}`), ...(volumes.Volumes ?? []).map((v) => `volume ${v.Name}`)]
  } catch (error) {
    // No engine, nothing left in it.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')) return []
    throw error
  }
}

/** How long the engine takes to create, start and remove a container of the image that does nothing: the bare floor. */
export async function runBareContainer(image: string): Promise<number> {
  const { default: Docker } = await import('dockerode')
  const docker = new Docker({ socketPath: join('/', OWN_ENGINE.host.replace('unix://', '')) })
  const startedMs = performance.now()
  const container = await docker.createContainer({ Image: image, Entrypoint: ['/bin/true'], HostConfig: { NetworkMode: 'none' } })
  await container.start()
  await container.wait()
  await container.remove({ force: true })
  return performance.now() - startedMs
}

/** Has the node's data on a file system of this size, in memory; comes before the cluster's first start and goes with its removal. */
export async function createSmallDisk(cluster: Cluster, sizeMiB: number): Promise<void> {
  const { default: Docker } = await import('dockerode')
  const { host } = await engineOf(cluster)
  await new Docker({ socketPath: host.replace('unix://', '') }).createVolume({
    Name: volumeName(cluster.profile),
    Labels: { [MANAGED_LABEL]: 'true', [PROFILE_LABEL]: cluster.profile },
    Driver: 'local',
    DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: `size=${sizeMiB}m` },
  })
}
