/** The API client's transport to a remote group version, for components in the server's process (garbage collector, namespaces). */
import type { JsonObject } from '../../api/resource.ts'
import { newServiceUnavailable, newStatusError, StatusError } from '../../api/status.ts'
import type { DiscoveredResource, ResourceRequest, Transport, WatchEvent, WatchRequest } from '../../client/client.ts'
import { errorOf, listOf, watchEvents } from '../../client/answers.ts'
import { METHODS, requestPath, watchPath } from '../../client/paths.ts'
import type { UserInfo } from '../request.ts'
import { isAvailable } from './apiServices.ts'
import type { Remote } from './remote.ts'

const REQUEST_TIMEOUT_MS = 60_000

export class RemoteTransport implements Transport {
  readonly #remote: Remote
  readonly #user: UserInfo
  readonly #userAgent: string

  constructor(remote: Remote, user: UserInfo, userAgent: string) {
    this.#remote = remote
    this.#user = user
    this.#userAgent = userAgent
  }

  async request(asked: ResourceRequest): Promise<unknown> {
    const body = asked.body === undefined ? undefined : JSON.stringify(asked.body)
    const headers = {
      accept: 'application/json',
      'user-agent': this.#userAgent,
      ...(body !== undefined && { 'content-type': asked.patchType ?? 'application/json' }),
    }
    const signal = AbortSignal.any([AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...(asked.signal ? [asked.signal] : [])])
    const options = { user: this.#user, method: METHODS[asked.verb], headers, signal, ...(body !== undefined && { body }) }
    const answer = await this.#reach(() => this.#remote.server.ask(requestPath(asked), options))
    const text = answer.body.toString()
    if (answer.status >= 400) throw errorOf(answer.status, text)
    const object: unknown = text ? JSON.parse(text) : undefined
    return asked.verb === 'list' ? listOf(asked, object as Parameters<typeof listOf>[1]) : object
  }

  async *watch(asked: WatchRequest): AsyncGenerator<WatchEvent> {
    const headers = { accept: 'application/json', 'user-agent': this.#userAgent }
    const options = { user: this.#user, headers, signal: asked.signal }
    try {
      const response = await this.#reach(() => this.#remote.server.open(watchPath(asked), options))
      if ((response.statusCode ?? 0) >= 400) {
        response.resume()
        throw errorOf(response.statusCode ?? 500, '')
      }
      yield* watchEvents(response as AsyncIterable<Uint8Array>)
    } catch (error) {
      if (!asked.signal.aborted) throw error
    }
  }

  /** As it was last discovered. Throws where that is not known (any more). */
  async discover(group: string, version: string): Promise<DiscoveredResource[]> {
    const { resources, freshness } = this.#remote.discovered
    if (freshness === 'Stale') throw newServiceUnavailable(`stale GroupVersion discovery: ${group}/${version}`)
    return resources.map((each) => resourceOf(group, version, each))
  }

  async #reach<T>(ask: () => Promise<T>): Promise<T> {
    if (!isAvailable(this.#remote.apiService)) throw newServiceUnavailable('service unavailable')
    try {
      return await ask()
    } catch (cause) {
      if (cause instanceof StatusError) throw cause
      const failure = newStatusError(503, 'ServiceUnavailable', `error trying to reach service: ${String(cause)}`)
      failure.cause = cause
      throw failure
    }
  }
}

function resourceOf(group: string, version: string, each: JsonObject): DiscoveredResource {
  const { kind } = each['responseKind'] as { kind: string }
  const verbs = each['verbs'] as string[]
  return { group, version, resource: String(each['resource']), kind, namespaced: each['scope'] === 'Namespaced', verbs }
}
