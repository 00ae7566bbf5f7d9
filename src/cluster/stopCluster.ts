/** `minicube stop`: the node container stops in order within its bound, and everything in its volume waits for the next start. */
import { addressOf, openEngine } from './engine/engine.ts'
import { withFileLock } from './fileLock.ts'
import { minicubeHome, profilePaths } from './home.ts'
import { nodeContainer, stopTimeoutSeconds } from './nodeContainer.ts'
import { requireProfile } from './profile.ts'
import { inspectInEngine } from './runningNode.ts'

export interface StopClusterOptions {
  profile: string
  onNotice(message: string): void
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

/** True when it was running. */
export async function stopCluster(options: StopClusterOptions): Promise<boolean> {
  const { profile: name, signal, env = process.env } = options
  const home = minicubeHome(env)
  const profile = await requireProfile(home, name)
  const onWait = (): void => options.onNotice(`Waiting: another minicube is working on profile "${name}"`)
  return withFileLock({ path: profilePaths(home, name).lock, signal, onWait }, async () => {
    const address = await addressOf(profile.engineHost, env)
    const state = await inspectInEngine(address, name, signal)
    if (!state || (!state.running && state.status !== 'restarting')) return false
    const engine = await openEngine(address)
    const container = nodeContainer(engine, name)
    if (state.paused) await container.unpause()
    const order = { t: stopTimeoutSeconds(profile), abortSignal: signal }
    if ((profile.nodes ?? 1) > 1) await (await import('./workers.ts')).stopWorkers(engine, name, order)
    await container.stop(order)
    return true
  })
}
