/**
 * The ConfigMaps and Secrets that the node's pods use, each kept current by a watch on that one object: a node may read
 * no more than its pods need. Pods say what they use; an object that nobody uses is not watched.
 */
import { configmaps, secrets } from '../../api/kinds/core/v1.ts'
import type { ConfigMap, Secret } from '../../api/kinds/core/v1.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { isExpired } from '../../api/status.ts'
import { isAbort, orAbort } from '../../base/abort.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'

const RETRY = { baseMs: 100, maxMs: 30_000 }

export interface ObjectReference {
  kind: 'ConfigMap' | 'Secret'
  namespace: string
  name: string
}

interface Watched {
  reference: ObjectReference
  users: Set<string>
  stop: AbortController
  /** Undefined: there is none. */
  object: KubeObject | undefined
  listed: PromiseWithResolvers<void>
}

export interface PodObjectsOptions {
  client: Client
  clock: Clock
  log: Logger
  signal: AbortSignal
  /** An object that these pods use has changed. */
  onChange(podUids: readonly string[]): void
}

const RESOURCES: Readonly<Record<ObjectReference['kind'], Resource>> = {
  ConfigMap: configmaps as unknown as Resource,
  Secret: secrets as unknown as Resource,
}

function keyOf({ kind, namespace, name }: ObjectReference): string {
  return `${kind}/${namespace}/${name}`
}

export class PodObjects {
  readonly #options: PodObjectsOptions
  readonly #watched = new Map<string, Watched>()
  readonly #byPod = new Map<string, Set<string>>()

  constructor(options: PodObjectsOptions) {
    this.#options = options
  }

  /** From now on the pod uses exactly these. */
  use(podUid: string, references: readonly ObjectReference[]): void {
    const wanted = new Map(references.map((reference) => [keyOf(reference), reference]))
    const before = this.#byPod.get(podUid) ?? new Set()
    for (const [key, reference] of wanted) if (!before.has(key)) this.#addUser(key, reference, podUid)
    for (const key of before) if (!wanted.has(key)) this.#removeUser(key, podUid)
    if (wanted.size > 0) this.#byPod.set(podUid, new Set(wanted.keys()))
    else this.#byPod.delete(podUid)
  }

  release(podUid: string): void {
    this.use(podUid, [])
  }

  configMap(namespace: string, name: string, signal: AbortSignal): Promise<ConfigMap | undefined> {
    return this.#get({ kind: 'ConfigMap', namespace, name }, signal) as Promise<ConfigMap | undefined>
  }

  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined> {
    return this.#get({ kind: 'Secret', namespace, name }, signal) as Promise<Secret | undefined>
  }

  async #get(reference: ObjectReference, signal: AbortSignal): Promise<KubeObject | undefined> {
    const watched = this.#watched.get(keyOf(reference))
    if (!watched) throw new Error(`${keyOf(reference)} is read without being in use`)
    await orAbort(watched.listed.promise, signal)
    return watched.object
  }

  #addUser(key: string, reference: ObjectReference, podUid: string): void {
    let watched = this.#watched.get(key)
    if (!watched) {
      watched = { reference, users: new Set(), stop: new AbortController(), object: undefined, listed: Promise.withResolvers<void>() }
      this.#watched.set(key, watched)
      void this.#follow(watched)
    }
    watched.users.add(podUid)
  }

  #removeUser(key: string, podUid: string): void {
    const watched = this.#watched.get(key)
    if (!watched) return
    watched.users.delete(podUid)
    if (watched.users.size > 0) return
    watched.stop.abort()
    this.#watched.delete(key)
  }

  async #follow(watched: Watched): Promise<void> {
    const { clock, log, signal } = this.#options
    const until = AbortSignal.any([signal, watched.stop.signal])
    const backoff = new Backoff(RETRY)
    while (!until.aborted) {
      try {
        await this.#listAndWatch(watched, until, () => backoff.reset())
      } catch (error) {
        if (until.aborted || isAbort(error)) return
        if (!isExpired(error)) log.warn('an object of a pod cannot be watched', { object: keyOf(watched.reference), error: String(error) })
      }
      await clock.sleep(backoff.next(), until).catch(() => {})
    }
  }

  async #listAndWatch(watched: Watched, signal: AbortSignal, onProgress: () => void): Promise<void> {
    const { kind, namespace, name } = watched.reference
    const selection = { namespace, fieldSelector: `metadata.name=${name}` }
    const list = await this.#options.client.list(RESOURCES[kind], { ...selection, signal })
    this.#set(watched, list.items[0])
    watched.listed.resolve()
    onProgress()
    const watch = this.#options.client.watch(RESOURCES[kind], { ...selection, resourceVersion: list.resourceVersion, signal })
    for await (const event of watch) {
      if (event.type === 'BOOKMARK') continue
      this.#set(watched, event.type === 'DELETED' ? undefined : event.object)
      onProgress()
    }
  }

  #set(watched: Watched, object: KubeObject | undefined): void {
    if (watched.object?.metadata.resourceVersion === object?.metadata.resourceVersion) return
    watched.object = object
    this.#options.onChange([...watched.users])
  }
}
