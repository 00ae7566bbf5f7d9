/** The life of a pod's containers. */
import type { ContainerConfig, LinuxResources } from '../runtime.ts'
import { cdiEnvironment } from './cdiEnvironment.ts'
import { containerCreateOptions, engineResources, type LogLimits } from './createOptions.ts'
import { type Engine, engineMessage, isNoSuch, isNotModified } from './engine.ts'
import { startError } from './startErrors.ts'
import type { Inventory } from './inventory.ts'
import { type Sandboxes, createAnew, removeContainer, seccompJsonOf } from './sandboxes.ts'

export interface ContainersOptions {
  engine: Engine
  inventory: Inventory
  sandboxes: Sandboxes
  logs: LogLimits
}

async function withDeviceEnvironment(config: ContainerConfig): Promise<ContainerConfig> {
  if (!config.cdiDevices?.length) return config
  return { ...config, env: [...new Map([...config.env, ...(await cdiEnvironment(config.cdiDevices))])] }
}

export class Containers {
  readonly #options: ContainersOptions

  constructor(options: ContainersOptions) {
    this.#options = options
  }

  async create(sandboxId: string, config: ContainerConfig, signal: AbortSignal): Promise<string> {
    const { engine, inventory, sandboxes, logs } = this.#options
    await sandboxes.recover(signal)
    const sandbox = await inventory.sandboxFacts(sandboxId)
    if (!sandbox) throw new Error(`failed to find sandbox id "${sandboxId}"`)
    const seccompJson = await seccompJsonOf(config.security.seccomp)
    signal.throwIfAborted()
    const pinned = await sandboxes.pinned(sandboxId)
    return createAnew(
      engine,
      containerCreateOptions(sandbox, { ...sandbox, id: sandboxId, ...(pinned && { pinned }) }, await withDeviceEnvironment(config), {
        privileges: sandboxes.privileges,
        seccompJson,
        logs,
      }),
      (id) => this.remove(id),
    )
  }

  async start(id: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    try {
      await (await this.#options.engine()).getContainer(id).start()
    } catch (error) {
      if (!isNotModified(error)) throw new Error(startError(engineMessage(error), 'create'), { cause: error })
    }
  }

  async stop(id: string, graceSeconds: number): Promise<void> {
    try {
      await (await this.#options.engine()).getContainer(id).stop({ t: Math.max(0, Math.ceil(graceSeconds)) })
    } catch (error) {
      if (!isNoSuch(error) && !isNotModified(error)) throw error
    }
    this.#options.inventory.ended(id)
  }

  async remove(id: string): Promise<void> {
    await removeContainer(this.#options.engine, id)
    this.#options.inventory.forget(id)
  }

  async updateResources(id: string, resources: LinuxResources): Promise<void> {
    await (await this.#options.engine()).getContainer(id).update(engineResources(resources))
  }
}
