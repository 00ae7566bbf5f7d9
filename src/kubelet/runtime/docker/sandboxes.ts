/**
 * The life of a pod's sandbox: namespaces that are pinned (`pinnedSandboxes.ts`), or a pause container that owns them where
 * the pod asks for more or the engine lacks the runtime that joins pinned ones; and the link of the network namespace.
 */
import { readFile } from 'node:fs/promises'
import type { ContainerCreateOptions } from 'dockerode'
import type { Logger } from '../../../base/logger.ts'
import type { PodNetwork } from '../../network/podNetwork.ts'
import type { Sandbox, SandboxConfig, SeccompProfile } from '../runtime.ts'
import { type JoinedSandbox, POD_RUNTIME, sandboxCreateOptions } from './createOptions.ts'
import { type Engine, engineMessage, isConflicting, isNoSuch, isNotModified, unlessGone } from './engine.ts'
import { type Inventory, sandboxFrom } from './inventory.ts'
import type { SandboxFacts } from './labels.ts'
import { networkNamespaceIn, networkNamespaceOfProcess } from './namespaces.ts'
import { type PinnedSandboxes, canBePinned } from './pinnedSandboxes.ts'
import { ALL_PRIVILEGES, type HostPrivileges, readHostPrivileges } from './privileges.ts'

export interface SandboxesOptions {
  engine: Engine
  inventory: Inventory
  network: PodNetwork
  pinned: PinnedSandboxes
  pauseImage: string
  log: Logger
}

/** Where the kubelet looks for `Localhost` profiles with a relative path. */
const SECCOMP_ROOT = '/var/lib/kubelet/seccomp'

export class Sandboxes {
  readonly #options: SandboxesOptions
  /** Addresses by the sandbox that holds them; who is not in here has given them back. */
  readonly #held = new Map<string, readonly string[]>()
  #joinsPinned = false
  #recovered: Promise<void> | undefined
  privileges: HostPrivileges = ALL_PRIVILEGES

  constructor(options: SandboxesOptions) {
    this.#options = options
  }

  /** Takes over what runs already. Done before the first change at the latest; tried again if it fails. */
  recover(signal: AbortSignal): Promise<void> {
    this.#recovered ??= this.#recover(signal).catch((error: unknown) => {
      this.#recovered = undefined
      throw error
    })
    return this.#recovered
  }

  async #recover(signal: AbortSignal): Promise<void> {
    const { engine, inventory, network, pinned } = this.#options
    const docker = await engine()
    const [{ Version }, { Runtimes }] = (await Promise.all([docker.version(), docker.info()])) as [{ Version: string }, EngineInfo]
    this.privileges = await readHostPrivileges(Version)
    this.#joinsPinned = Object.hasOwn(Runtimes ?? {}, POD_RUNTIME)
    const pinnedLinks = await pinned.recover()
    const { sandboxes } = await inventory.list()
    const ready = sandboxes.filter(({ id, state, ips }) => state === 'Ready' && ips.length > 0 && !pinned.has(id))
    const live = await Promise.all(
      ready.map(async ({ id, ips }) => {
        const [pid, facts] = await Promise.all([inventory.pidOf(id), inventory.sandboxFacts(id)])
        return pid && facts ? [{ id, ips, netns: networkNamespaceOfProcess(pid), portMappings: facts.portMappings }] : []
      }),
    )
    await network.recover([...live.flat(), ...pinnedLinks], signal)
    for (const { id, ips } of live.flat()) this.#held.set(id, ips)
  }

  async create(config: SandboxConfig, signal: AbortSignal): Promise<Sandbox> {
    const { engine, inventory, network, pinned, pauseImage } = this.#options
    await this.recover(signal)
    if (this.#joinsPinned && canBePinned(config)) return pinned.create(config, signal)
    const seccompJson = await seccompJsonOf(config.seccomp)
    signal.throwIfAborted()
    const ips = config.network === 'pod' ? network.reserve() : []
    const facts: SandboxFacts = { ...config, ips, portMappings: config.portMappings ?? [] }
    let id: string | undefined
    try {
      // The engine's calls are not cut short: one that is leaves behind what nobody knows of.
      id = await createAnew(
        engine,
        sandboxCreateOptions(config, { pauseImage, ips }, { privileges: this.privileges, seccompJson }),
        (leftoverId) => this.remove(leftoverId),
      )
      inventory.rememberSandbox(id, facts)
      this.#held.set(id, ips)
      const container = (await engine()).getContainer(id)
      await container.start()
      const { State } = await container.inspect()
      if (ips.length > 0) await network.attach({ ...facts, netns: networkNamespaceOfProcess(State.Pid) }, signal)
      return sandboxFrom(id, facts, true, Date.parse(State.StartedAt))
    } catch (error) {
      await this.#undo(id, ips)
      throw error
    }
  }

  /** Where a sandbox's namespaces are, when no container holds them. */
  async pinned(id: string): Promise<JoinedSandbox['pinned']> {
    const { pinned } = this.#options
    const facts = await pinned.facts(id)
    return facts && { directory: pinned.directoryOf(id), hostname: facts.hostname ?? '' }
  }

  /** The file of a sandbox's network namespace. */
  async networkNamespaceOf(id: string): Promise<string> {
    const { pinned, inventory } = this.#options
    if (pinned.has(id)) return networkNamespaceIn(pinned.directoryOf(id))
    const pid = await inventory.pidOf(id)
    if (pid === undefined) throw new Error(`sandbox ${id} is not running`)
    return networkNamespaceOfProcess(pid)
  }

  async #undo(id: string | undefined, ips: readonly string[]): Promise<void> {
    try {
      await (id === undefined ? this.#options.network.detach(ips) : this.remove(id))
    } catch (error) {
      this.#options.log.error('what is left of a sandbox cannot be removed now', error, { id })
    }
  }

  async stop(id: string): Promise<void> {
    const { engine, inventory } = this.#options
    const containers = await inventory.containersIn(id)
    await Promise.all(containers.filter((c) => c.running).map((c) => kill(engine, c.id)))
    if (this.#options.pinned.has(id)) return this.#options.pinned.stop(id)
    await kill(engine, id)
    await this.#giveBack(id)
  }

  async #giveBack(id: string): Promise<void> {
    const ips = this.#held.get(id)
    if (!ips) return
    this.#held.delete(id)
    try {
      if (ips.length > 0) await this.#options.network.detach(ips)
    } catch (error) {
      this.#held.set(id, ips)
      throw error
    }
  }

  async remove(id: string): Promise<void> {
    const { engine, inventory } = this.#options
    await this.recover(AbortSignal.timeout(RECOVER_TIMEOUT_MS))
    const containers = await inventory.containersIn(id)
    await Promise.all(containers.map((c) => removeContainer(engine, c.id)))
    if (this.#options.pinned.has(id)) await this.#options.pinned.remove(id)
    else await removeContainer(engine, id)
    await this.#giveBack(id)
    for (const gone of [...containers.map((c) => c.id), id]) inventory.forget(gone)
  }
}

/** Of the engine's description of itself. */
interface EngineInfo {
  Runtimes?: Record<string, unknown>
}

const RECOVER_TIMEOUT_MS = 30_000

/** Creates a container; what stands under its name, left by a try that a crash cut short, is removed first. */
export async function createAnew(engine: Engine, options: ContainerCreateOptions, remove: (id: string) => Promise<void>): Promise<string> {
  const docker = await engine()
  const create = async (): Promise<string> => (await docker.createContainer(options)).id
  try {
    return await create()
  } catch (error) {
    if (!isConflicting(error)) throw new Error(engineMessage(error), { cause: error })
    const leftover = await unlessGone(docker.getContainer(options.name ?? '').inspect())
    if (leftover) await remove(leftover.Id)
    return create()
  }
}

export async function kill(engine: Engine, id: string): Promise<void> {
  try {
    await (await engine()).getContainer(id).kill()
  } catch (error) {
    // Gone, or not running.
    if (!isNoSuch(error) && !isConflicting(error) && !isNotModified(error)) throw error
  }
}

export async function removeContainer(engine: Engine, id: string): Promise<void> {
  const container = (await engine()).getContainer(id)
  try {
    await container.remove({ force: true, v: true })
  } catch (error) {
    if (isNoSuch(error)) return
    if (!isConflicting(error)) throw error
    // Someone's removal is under way: it is over when the container is gone.
    await unlessGone(container.wait({ condition: 'removed' }))
  }
}

export async function seccompJsonOf(profile: SeccompProfile): Promise<string | undefined> {
  if (profile.type !== 'Localhost') return undefined
  return readFile(profile.path.startsWith('/') ? profile.path : `${SECCOMP_ROOT}/${profile.path}`, 'utf8')
}
