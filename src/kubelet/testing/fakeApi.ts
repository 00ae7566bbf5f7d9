/** The least of an API server that a kubelet needs, in memory: objects by key, watches by field selector, status patches. */
import type { KubeList, KubeObject, Resource } from '../../api/resource.ts'
import { newAlreadyExists, newConflict, newNotFound } from '../../api/status.ts'
import { BoundedQueue } from '../../base/boundedQueue.ts'
import type { ResourceRequest, Transport, WatchEvent, WatchRequest } from '../../client/client.ts'

interface Watcher {
  request: WatchRequest
  queue: BoundedQueue<WatchEvent>
}

type Json = Record<string, unknown>

/** Enough of a strategic merge: maps merge, `conditions` merge by type, null removes, other lists replace. */
function merged(into: unknown, patch: unknown, key = ''): unknown {
  if (Array.isArray(patch)) {
    const items = patch.filter((item: Json) => item.$patch !== 'replace') as Json[]
    if (key !== 'conditions') return items
    const before = (Array.isArray(into) ? into : []) as Json[]
    const changed = new Map(items.map((item) => [item.type, item]))
    const kept = before.map((item) => (changed.has(item.type) ? merged(item, changed.get(item.type)) : item))
    return [...kept, ...items.filter((item) => !before.some((b) => b.type === item.type)).map((item) => merged({}, item))]
  }
  if (typeof patch !== 'object' || patch === null) return patch
  const result: Json = { ...(into as Json | undefined) }
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = merged(result[name], value, name)
  }
  return result
}

function matches(object: KubeObject, request: { namespace?: string; fieldSelector?: string }): boolean {
  if (request.namespace && object.metadata.namespace !== request.namespace) return false
  if (!request.fieldSelector) return true
  return request.fieldSelector.split(',').every((term) => {
    const [path = '', value] = term.split('=')
    return path.split('.').reduce<unknown>((at, part) => (at as Json | undefined)?.[part], object) === value
  })
}

export class FakeApi implements Transport {
  readonly requests: string[] = []
  readonly #objects = new Map<string, KubeObject>()
  readonly #watchers = new Set<Watcher>()
  #revision = 0
  /** Answers the next request that this is thrown for. */
  failNext: { verb: string; error: Error } | undefined

  #key(resource: Resource, namespace: string | undefined, name: string): string {
    return `${resource.resource}/${namespace ?? ''}/${name}`
  }

  get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): T | undefined {
    return this.#objects.get(this.#key(resource as unknown as Resource, namespace, name)) as T | undefined
  }

  /** Creates or replaces an object. */
  put<T extends KubeObject>(resource: Resource<T>, object: T): T {
    const plain = resource as unknown as Resource
    const key = this.#key(plain, object.metadata.namespace, object.metadata.name)
    const before = this.#objects.get(key)
    const metadata = {
      ...object.metadata,
      uid: object.metadata.uid || `uid-${object.metadata.name}`,
      resourceVersion: String(++this.#revision),
    }
    const stored = { ...object, metadata } as KubeObject
    this.#objects.set(key, stored)
    this.#tell(plain, before ? 'MODIFIED' : 'ADDED', stored, before)
    return stored as T
  }

  remove<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): void {
    const plain = resource as unknown as Resource
    const key = this.#key(plain, namespace, name)
    const object = this.#objects.get(key)
    if (!object) return
    this.#objects.delete(key)
    this.#tell(plain, 'DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#revision) } }, object)
  }

  #tell(resource: Resource, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: KubeObject, before: KubeObject | undefined): void {
    for (const { request, queue } of this.#watchers) {
      if (request.resource.resource !== resource.resource || !matches(object, request)) continue
      const entered = type === 'MODIFIED' && before !== undefined && !matches(before, request)
      queue.push({ type: entered ? 'ADDED' : type, object })
    }
  }

  async request(request: ResourceRequest): Promise<unknown> {
    const { verb, resource, namespace, name = '', subresource, body } = request
    this.requests.push([verb, `${resource.resource}${subresource ? `/${subresource}` : ''}`, name].filter(Boolean).join(' '))
    if (this.failNext?.verb === verb) {
      const { error } = this.failNext
      this.failNext = undefined
      throw error
    }
    if (verb === 'list') return this.#list(request)
    if (verb === 'deletecollection') {
      const found = this.#list(request)
      for (const { metadata } of found.items) this.remove(resource, metadata.namespace ?? '', metadata.name)
      return found
    }
    if (verb === 'create' && subresource === 'token') {
      return { status: { token: `token-${this.#revision}`, expirationTimestamp: new Date(Date.UTC(2026, 0, 1, 1)).toISOString() } }
    }
    if (verb === 'create') return this.#create(request)
    const found = this.#objects.get(this.#key(resource, namespace, name))
    if (!found) throw newNotFound(resource, name)
    if (verb === 'get') return found
    if (verb === 'patch') return this.put(resource, this.#patched(request, found))
    if (verb === 'update') {
      const { metadata } = body as KubeObject
      if (metadata.resourceVersion && metadata.resourceVersion !== found.metadata.resourceVersion)
        throw newConflict(resource, name, 'the object has been modified')
      return this.put(resource, body as KubeObject)
    }
    if (verb === 'delete') {
      const { uid } = (body as { preconditions?: { uid?: string } }).preconditions ?? {}
      if (uid && uid !== found.metadata.uid) throw newConflict(resource, name, 'the UID in the precondition does not match')
      this.remove(resource, namespace ?? '', name)
      return found
    }
    throw new Error(`${verb} is not served`)
  }

  #patched({ body, resource, name = '' }: ResourceRequest, found: KubeObject): KubeObject {
    const uid = (body as { metadata?: { uid?: string } }).metadata?.uid
    if (uid && uid !== found.metadata.uid) throw newConflict(resource, name, 'the UID does not match')
    return merged(found, body) as KubeObject
  }

  #create({ resource, namespace, body }: ResourceRequest): KubeObject {
    const object = body as KubeObject
    const { name } = object.metadata
    if (this.#objects.has(this.#key(resource, namespace, name))) throw newAlreadyExists(resource, name)
    return this.put(resource, { ...object, metadata: { ...object.metadata, ...(namespace && { namespace }) } })
  }

  #list({ resource, namespace, options }: ResourceRequest): KubeList<KubeObject> {
    const selection = { ...(namespace && { namespace }), ...(options?.fieldSelector && { fieldSelector: options.fieldSelector }) }
    const items = [...this.#objects]
      .filter(([key, object]) => key.startsWith(`${resource.resource}/`) && matches(object, selection))
      .map(([, object]) => object)
    return { resourceVersion: String(this.#revision), items }
  }

  async *watch(request: WatchRequest): AsyncIterable<WatchEvent> {
    const queue = new BoundedQueue<WatchEvent>(10_000)
    const watcher = { request, queue }
    this.#watchers.add(watcher)
    request.signal.addEventListener('abort', () => queue.end(), { once: true })
    try {
      yield* queue
    } finally {
      this.#watchers.delete(watcher)
    }
  }
}
