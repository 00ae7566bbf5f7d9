/** A container runtime in memory, for tests: containers run until they are told to end, and every call is noted. */
import { PassThrough } from 'node:stream'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import { aborted, orAbort } from '../../base/abort.ts'
import type { GroupStats } from '../runtime/cgroupStats.ts'
import { groupStats } from './groupStats.ts'
import { ImagePullError } from '../runtime/runtime.ts'
import type {
  RegistryAuth,
  Attached,
  Container,
  ContainerConfig,
  ContainerDisk,
  ExecOptions,
  Image,
  LinuxResources,
  LogLine,
  Runtime,
  RuntimeEvent,
  RuntimeListener,
  Sandbox,
  SandboxConfig,
} from '../runtime/runtime.ts'

export class FakeRuntime implements Runtime {
  readonly #clock: Clock
  readonly sandboxes = new Map<string, Sandbox>()
  readonly containers = new Map<string, Container>()
  readonly configs = new Map<string, ContainerConfig>()
  readonly present = new Map<string, Image>()
  readonly pullable = new Map<string, Image>()
  /** Those that want a password. */
  readonly guarded = new Map<string, string>()
  /** Pulls of these never end by themselves. */
  readonly endless = new Set<string>()
  readonly pulling = new Set<string>()
  readonly calls: string[] = []
  /** What a command answers; its exit code. */
  onExec: (containerId: string, command: readonly string[]) => number = () => 0
  /** Stopping containers takes until then. */
  stopping: Promise<void> | undefined
  /** Does a container ignore its stop signal for the whole grace period? */
  stubborn = false
  /** Ends a container as soon as it starts, with this exit code. */
  exitAtOnce = new Map<string, number>()
  failSandbox: Error | undefined
  /** Why nothing can be had from the runtime. */
  down: Error | undefined
  followed = false
  /** Ends the event stream; it cannot be had again while `down` is set. */
  breakConnection: () => void = () => {}
  /** As `docker load` does. */
  loadImage: (name: string) => void = () => {}
  #listener: ((event: RuntimeEvent) => void) | undefined
  #ids = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  addImage(name: string, image: Partial<Image> = {}): void {
    this.present.set(name, { id: `sha256:${name}`, repoTags: [name], repoDigests: [], sizeBytes: 1, ...image })
  }

  /** The container of that name that came last. */
  newest(name: string): Container | undefined {
    return [...this.containers.values()].filter((container) => container.name === name).at(-1)
  }

  end(id: string, exitCode: number): void {
    const container = this.containers.get(id)
    if (container?.state !== 'Running') return
    this.containers.set(id, { ...container, state: 'Exited', exitCode, finishedAtMs: this.#clock.now() })
    this.#tell(container, 'Died')
  }

  #tell({ podUid, id: containerId }: Pick<Container, 'podUid' | 'id'>, type: RuntimeEvent['type']): void {
    this.#listener?.({ podUid, containerId, type })
  }

  /** What `version` waits for. */
  silence: Promise<void> | undefined

  async version(): Promise<string> {
    await this.silence
    return 'docker://26.1.5'
  }

  async createSandbox(config: SandboxConfig): Promise<Sandbox> {
    this.calls.push(`createSandbox ${config.podName} ${config.attempt}`)
    if (this.failSandbox) throw this.failSandbox
    const { podUid, podName, podNamespace, attempt } = config
    const id = `sandbox-${++this.#ids}`
    const sandbox: Sandbox = {
      id,
      podUid,
      podName,
      podNamespace,
      attempt,
      state: 'Ready',
      createdAtMs: this.#clock.now(),
      ips: [`10.244.0.${this.#ids}`],
    }
    this.sandboxes.set(id, sandbox)
    return sandbox
  }

  async stopSandbox(id: string): Promise<void> {
    this.calls.push(`stopSandbox ${id}`)
    const sandbox = this.sandboxes.get(id)
    if (sandbox) this.sandboxes.set(id, { ...sandbox, state: 'NotReady', ips: [] })
    for (const container of this.containers.values()) if (container.sandboxId === id) this.end(container.id, 137)
  }

  async removeSandbox(id: string): Promise<void> {
    this.sandboxes.delete(id)
  }

  async createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    this.calls.push(`create ${config.name} ${config.attempt}`)
    const sandbox = this.sandboxes.get(sandboxId)
    if (sandbox?.state !== 'Ready') throw new Error(`sandbox ${sandboxId} is not ready`)
    const { podUid, podName, podNamespace } = sandbox
    const id = `container-${++this.#ids}`
    const { name, attempt, image, imageId, annotations } = config
    this.configs.set(id, config)
    this.containers.set(id, {
      id,
      sandboxId,
      podUid,
      podName,
      podNamespace,
      name,
      attempt,
      state: 'Created',
      createdAtMs: this.#clock.now(),
      oomKilled: false,
      image,
      imageId,
      annotations,
    })
    return id
  }

  async startContainer(id: string): Promise<void> {
    const container = this.containers.get(id)
    if (!container) throw new Error(`no container ${id}`)
    this.calls.push(`start ${container.name} ${container.attempt}`)
    this.containers.set(id, { ...container, state: 'Running', startedAtMs: this.#clock.now() })
    this.#tell(container, 'Started')
    const exitCode = this.exitAtOnce.get(container.name)
    if (exitCode !== undefined) this.end(id, exitCode)
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    const container = this.containers.get(id)
    this.calls.push(`stop ${container?.name} ${graceSeconds}`)
    await this.stopping
    if (this.stubborn) await this.#clock.sleep(graceSeconds * 1000)
    this.end(id, this.stubborn ? 137 : 0)
  }

  async removeContainer(id: string): Promise<void> {
    this.calls.push(`remove ${this.containers.get(id)?.name} ${this.containers.get(id)?.attempt}`)
    this.containers.delete(id)
  }

  async updateResources(id: string, resources: LinuxResources): Promise<void> {
    this.calls.push(`update ${this.containers.get(id)?.name} ${resources.cpuQuotaUs}`)
  }

  async list(podUid?: string): Promise<{ sandboxes: Sandbox[]; containers: Container[] }> {
    const ours = (item: { podUid: string }): boolean => podUid === undefined || item.podUid === podUid
    return { sandboxes: [...this.sandboxes.values()].filter(ours), containers: [...this.containers.values()].filter(ours) }
  }

  async events(signal: AbortSignal, listener: RuntimeListener): Promise<void> {
    if (this.down) throw this.down
    const broken = Promise.withResolvers<void>()
    this.breakConnection = () => broken.reject(this.down)
    this.#listener = listener.onEvent
    this.loadImage = (name) => {
      this.addImage(name)
      listener.onImagesChanged()
    }
    this.followed = true
    listener.onConnected()
    await Promise.race([aborted(signal), broken.promise]).finally(() => (this.followed = false))
  }

  async images(): Promise<Image[]> {
    return [...this.present.values()]
  }

  async imageStatus(name: string): Promise<Image | undefined> {
    return this.present.get(name) ?? [...this.present.values()].find((image) => image.id === name)
  }

  async pullImage(name: string, auth?: RegistryAuth, signal?: AbortSignal): Promise<Image> {
    this.calls.push(`pull ${name}`)
    if (this.endless.has(name)) {
      this.pulling.add(name)
      await orAbort(new Promise(() => {}), signal ?? new AbortController().signal).finally(() => this.pulling.delete(name))
    }
    const image = this.pullable.get(name)
    if (!image || this.guarded.get(name) !== (this.guarded.has(name) ? auth?.password : undefined))
      throw new ImagePullError('ErrImagePull', `pull access denied for ${name}`)
    this.present.set(name, image)
    return image
  }

  async removeImage(id: string): Promise<void> {
    this.present.delete(id)
  }

  async *logs(): AsyncIterable<LogLine> {}

  async exec(containerId: string, options: ExecOptions): Promise<Attached> {
    this.calls.push(`exec ${this.containers.get(containerId)?.name} ${options.command.join(' ')}`)
    const stdout = new PassThrough()
    stdout.end()
    return { stdout, resize: async () => {}, exit: Promise.resolve(this.onExec(containerId, options.command)) }
  }

  async mountImage(id: string, directory: string): Promise<void> {
    this.calls.push(`mount ${id} ${directory.split('/').at(-1)}`)
  }

  attach(): Promise<Attached> {
    return Promise.reject(new Error('nothing to attach to'))
  }

  dial(): Promise<Duplex> {
    return Promise.reject(new Error('nothing listens'))
  }

  async stats(): Promise<GroupStats> {
    return groupStats()
  }

  async diskUsage(): Promise<ContainerDisk> {
    return { writableBytes: 0, logBytes: 0 }
  }
}
