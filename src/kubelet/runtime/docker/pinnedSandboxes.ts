/**
 * Sandboxes without a container: pinned namespaces with the pod's link in them, and a record of whose they are. Some are
 * made ahead of time while nothing else is to be done, so that a pod takes one that is there; a burst of pods makes the rest
 * side by side. Records survive the node's container, namespaces do not: what has lost them is a sandbox that has ended.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import { replaceFile } from '../../../base/replaceFile.ts'
import type { PodLink, PodNetwork } from '../../network/podNetwork.ts'
import type { Sandbox, SandboxConfig } from '../runtime.ts'
import type { SandboxFacts } from './labels.ts'
import { kernelPinning, networkNamespaceIn, type NamespacePinning } from './namespaces.ts'

export interface PinnedSandboxesOptions {
  network: PodNetwork
  log: Logger
  clock: Clock
  /** Where the records are: it outlives the node's container. */
  recordsDirectory: string
  /** Where the namespaces are: it does not. */
  namespacesDirectory: string
  pinning?: NamespacePinning
}

/** Kept ready for the next pods. */
const SPARE_SANDBOXES = 3
/** Spares are made when no sandbox was wanted for this long. */
const QUIET_MS = 60
const RECORD_SUFFIX = '.json'
const ID_BYTES = 32

interface PinnedSandbox {
  facts: SandboxFacts
  createdAtMs: number
  ready: boolean
}

interface Spare {
  id: string
  ips: readonly string[]
}

/** Whatever asks for more than a network, IPC and host name of its own gets a container that holds it. */
export function canBePinned(config: SandboxConfig): boolean {
  const { network, ipcMode, pidMode, sysctls } = config
  return network === 'pod' && ipcMode === 'pod' && pidMode !== 'pod' && Object.keys(sysctls).length === 0
}

export class PinnedSandboxes {
  readonly #options: PinnedSandboxesOptions
  readonly #pinning: NamespacePinning
  readonly #known = new Map<string, PinnedSandbox>()
  readonly #spares: Spare[] = []
  #loaded: Promise<void> | undefined
  #filling: Promise<void> | undefined
  #cancelFilling: (() => void) | undefined
  /** Of the kubelet that asked last. */
  #signal: AbortSignal | undefined

  constructor(options: PinnedSandboxesOptions) {
    this.#options = options
    this.#pinning = options.pinning ?? kernelPinning()
  }

  directoryOf(id: string): string {
    return join(this.#options.namespacesDirectory, id)
  }

  /** Reads what an earlier kubelet left; comes before anything else is asked. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined
      throw error
    })
    return this.#loaded
  }

  async #load(): Promise<void> {
    const { recordsDirectory, namespacesDirectory } = this.#options
    await Promise.all([recordsDirectory, namespacesDirectory].map((path) => mkdir(path, { recursive: true, mode: 0o700 })))
    for (const name of await readdir(recordsDirectory)) {
      const record = await this.#read(name)
      if (record) this.#known.set(name.slice(0, -RECORD_SUFFIX.length), record)
    }
  }

  /** Removes what is nobody's; answers the links of those that are ready. */
  async recover(): Promise<PodLink[]> {
    await this.load()
    const { namespacesDirectory } = this.#options
    const left = (await this.#pinning.pinnedIn(namespacesDirectory)).filter((id) => !this.#known.get(id)?.ready)
    await Promise.all(left.map((id) => this.#pinning.unpin(this.directoryOf(id))))
    const ready = [...this.#known].filter(([, sandbox]) => sandbox.ready)
    return ready.map(([id, { facts }]) => ({
      ...facts,
      netns: networkNamespaceIn(this.directoryOf(id)),
    }))
  }

  /** Undefined, and the file gone, for one that a crash left half written. */
  async #read(name: string): Promise<PinnedSandbox | undefined> {
    const path = join(this.#options.recordsDirectory, name)
    try {
      if (!name.endsWith(RECORD_SUFFIX)) throw new Error('not a record')
      const { createdAtMs, ...facts } = JSON.parse(await readFile(path, 'utf8')) as SandboxFacts & { createdAtMs: number }
      return { facts, createdAtMs, ready: await this.#pinning.arePinned(this.directoryOf(name.slice(0, -RECORD_SUFFIX.length))) }
    } catch {
      await rm(path, { force: true })
      return undefined
    }
  }

  async create(config: SandboxConfig, signal: AbortSignal): Promise<Sandbox> {
    const { network, clock } = this.#options
    this.#signal = signal
    this.#fillLater()
    const { id, ips } = this.#spares.shift() ?? (await this.#make(signal))
    const { hostname: _hostname, sysctls: _sysctls, seccomp: _seccomp, privileged: _privileged, ...kept } = config
    const facts: SandboxFacts = { ...kept, ips, portMappings: config.portMappings ?? [], hostname: config.hostname }
    const sandbox = { facts, createdAtMs: clock.now(), ready: true }
    try {
      await network.mapPorts(ips, facts.portMappings, signal)
      await network.shape({ ...facts, netns: networkNamespaceIn(this.directoryOf(id)) }, signal)
      await this.#write(id, sandbox)
      this.#known.set(id, sandbox)
      return sandboxOf(id, sandbox)
    } catch (error) {
      await this.#discard({ id, ips })
      throw error
    }
  }

  /** A record is whole or not there. */
  async #write(id: string, { facts, createdAtMs }: PinnedSandbox): Promise<void> {
    const path = join(this.#options.recordsDirectory, `${id}${RECORD_SUFFIX}`)
    await replaceFile(path, JSON.stringify({ ...facts, createdAtMs }))
  }

  async #make(signal: AbortSignal): Promise<Spare> {
    const { network } = this.#options
    const spare: Spare = { id: randomBytes(ID_BYTES).toString('hex'), ips: network.reserve() }
    try {
      const directory = this.directoryOf(spare.id)
      await this.#pinning.pin(directory, signal)
      await network.attach({ ips: spare.ips, netns: networkNamespaceIn(directory), portMappings: [] }, signal)
      return spare
    } catch (error) {
      await this.#discard(spare)
      throw error
    }
  }

  async #discard({ id, ips }: Spare): Promise<void> {
    try {
      await this.#pinning.unpin(this.directoryOf(id))
      await this.#options.network.detach(ips)
    } catch (error) {
      this.#options.log.error('what is left of a sandbox cannot be removed now', error, { id })
    }
  }

  #fillLater(): void {
    this.#cancelFilling?.()
    this.#cancelFilling = this.#options.clock.after(QUIET_MS, () => {
      this.#filling ??= this.#fill().finally(() => (this.#filling = undefined))
    })
  }

  async #fill(): Promise<void> {
    while (this.#spares.length < SPARE_SANDBOXES) {
      const signal = this.#signal
      if (!signal || signal.aborted) return
      try {
        const spare = await this.#make(signal)
        if (signal.aborted) await this.#discard(spare)
        else this.#spares.push(spare)
      } catch (error) {
        // Whoever wants a sandbox makes one then, and tells why it cannot be made.
        if (!signal.aborted) this.#options.log.debug('no sandbox can be kept ready', { error: String(error) })
        return
      }
    }
  }

  /** Resolves when no spare is being made. */
  async settled(): Promise<void> {
    await this.#filling
  }

  has(id: string): boolean {
    return this.#known.has(id)
  }

  async list(podUid?: string): Promise<Sandbox[]> {
    await this.load()
    const all = [...this.#known].map(([id, sandbox]) => sandboxOf(id, sandbox))
    return podUid === undefined ? all : all.filter((sandbox) => sandbox.podUid === podUid)
  }

  async facts(id: string): Promise<SandboxFacts | undefined> {
    await this.load()
    return this.#known.get(id)?.facts
  }

  /** Gives namespaces and address back; the record stays. */
  async stop(id: string): Promise<void> {
    const sandbox = this.#known.get(id)
    if (!sandbox?.ready) return
    sandbox.ready = false
    try {
      await this.#pinning.unpin(this.directoryOf(id))
      await this.#options.network.detach(sandbox.facts.ips)
    } catch (error) {
      sandbox.ready = true
      throw error
    }
  }

  async remove(id: string): Promise<void> {
    await this.stop(id)
    await rm(join(this.#options.recordsDirectory, `${id}${RECORD_SUFFIX}`), { force: true })
    this.#known.delete(id)
  }
}

function sandboxOf(id: string, { facts, createdAtMs, ready }: PinnedSandbox): Sandbox {
  const { podUid, podName, podNamespace, attempt, ips } = facts
  return { id, podUid, podName, podNamespace, attempt, state: ready ? 'Ready' : 'NotReady', createdAtMs, ips }
}
