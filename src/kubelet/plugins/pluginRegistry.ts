/**
 * The plugins of this node: each announces itself by a socket in the registry's folder, is asked who it is and handed to
 * whoever serves its type; it is gone when its socket is. Upstream's plugin manager.
 */
import { watch } from 'node:fs'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { aborted } from '../../base/abort.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { Registration, type PluginInfo } from './registration.ts'

/** Serves one type of plugins. */
export interface PluginKind {
  /** Takes it; throws when it cannot be taken, with the reason. */
  register(plugin: PluginInfo): Promise<RegisteredPlugin>
}

export interface RegisteredPlugin {
  /** It is gone. */
  unregister(): Promise<void>
  /** It is not called any more: another has its place, or the kubelet ends. */
  close(): void
}

export interface PluginRegistryOptions {
  clock: Clock
  log: Logger
  signal: AbortSignal
  /** `plugins_registry` of the kubelet's folder. */
  directory: string
  /** By the type that plugins give themselves. */
  kinds: Readonly<Record<string, PluginKind>>
  /** A plugin is there that somebody may have waited for. */
  onRegistered?(): void
}

interface Plugin {
  name: string
  registered: RegisteredPlugin
  /** Of the file: a plugin that starts anew makes another one. */
  identity: string
}

const RETRY = { baseMs: 500, maxMs: 30_000 }

export class PluginRegistry {
  readonly #options: PluginRegistryOptions
  /** By the file name of the socket that announced it. */
  readonly #plugins = new Map<string, Plugin>()
  readonly #retries = new Map<string, Backoff>()
  #looking: Promise<void> = Promise.resolve()

  constructor(options: PluginRegistryOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    const { directory, signal } = this.#options
    await mkdir(directory, { recursive: true, mode: 0o750 })
    const watcher = watch(directory, { persistent: false }, () => this.#look())
    watcher.on('error', () => {})
    this.#look()
    await aborted(signal)
    watcher.close()
    await this.#looking
    for (const { registered } of this.#plugins.values()) registered.close()
  }

  #look(): void {
    const { clock, log, signal } = this.#options
    this.#looking = this.#looking
      .then(() => this.#compare())
      .catch((error: unknown) => {
        if (signal.aborted) return
        log.warn('the registry of plugins cannot be followed', { error: String(error) })
        clock.after(RETRY.maxMs, () => this.#look())
      })
  }

  async #compare(): Promise<void> {
    const { directory, signal } = this.#options
    if (signal.aborted) return
    const found = new Map<string, string>()
    for (const name of await readdir(directory)) {
      const info = await stat(join(directory, name)).catch(() => undefined)
      if (info?.isSocket() && !name.startsWith('.')) found.set(name, `${info.ino} ${info.ctimeMs}`)
    }
    for (const [file, plugin] of this.#plugins) if (!found.has(file)) await this.#remove(file, plugin)
    for (const [file, identity] of found) if (this.#plugins.get(file)?.identity !== identity) await this.#add(file, identity)
  }

  async #add(file: string, identity: string): Promise<void> {
    const { directory, clock, log } = this.#options
    const registration = new Registration(join(directory, file))
    try {
      const info = await registration.info()
      const registered = await this.#take(info, registration)
      this.#plugins.get(file)?.registered.close()
      this.#plugins.set(file, { name: info.name, registered, identity })
      this.#retries.delete(file)
      await registration.notify(undefined)
      log.info('a plugin is registered', { type: info.type, name: info.name })
      this.#options.onRegistered?.()
    } catch (error) {
      const backoff = this.#retries.get(file) ?? new Backoff(RETRY)
      this.#retries.set(file, backoff)
      log.warn('a plugin could not be registered', { socket: file, error: String(error) })
      clock.after(backoff.next(), () => this.#look())
    } finally {
      registration.close()
    }
  }

  /** One that is not taken is told why. */
  async #take(info: PluginInfo, registration: Registration): Promise<RegisteredPlugin> {
    const { kinds } = this.#options
    const kind = Object.hasOwn(kinds, info.type) ? kinds[info.type] : undefined
    try {
      if (!kind) throw new Error(`plugins of type ${info.type} are not supported`)
      return await kind.register(info)
    } catch (error) {
      await registration.notify(error instanceof Error ? error.message : String(error)).catch(() => {})
      throw error
    }
  }

  async #remove(file: string, { name, registered }: Plugin): Promise<void> {
    await registered.unregister()
    this.#plugins.delete(file)
    registered.close()
    this.#options.log.info('a plugin is gone', { name })
  }
}
