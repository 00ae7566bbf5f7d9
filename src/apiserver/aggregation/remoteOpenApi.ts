/**
 * The OpenAPI documents of remote servers: version 3 by group version as they are, version 2 cut down to the group
 * versions that are theirs, so that one document of all can be made. Fetched again when a server has changed them.
 */
import type { JsonObject } from '../../api/resource.ts'
import type { Logger } from '../../base/logger.ts'
import { hashOf } from '../openapi/hash.ts'
import type { OpenApiDocument } from '../openapi/v3.ts'
import type { Remote } from './remote.ts'
import { AGGREGATOR_USER } from './availability.ts'
import { schemasOf, v3OfV2 } from '../openapi/mergeV2.ts'

interface Documents {
  /** Where the server has its version 3 document, with its hash: what tells whether it changed. */
  v3Url: string
  v3?: OpenApiDocument
  v2Etag: string
  v2?: JsonObject
}

const FETCH_TIMEOUT_MS = 10_000

export class RemoteOpenApi {
  readonly #log: Logger
  readonly #byService = new Map<string, Documents & { name: string }>()
  #generation = 0

  constructor({ log }: { log: Logger }) {
    this.#log = log
  }

  /** Changes with the documents. */
  get generation(): number {
    return this.#generation
  }

  /** Version 3, by name (`apis/example.com/v1`). */
  documents(): Map<string, OpenApiDocument> {
    return new Map([...this.#byService.values()].flatMap(({ name, v3 }) => (v3 ? [[name, v3] as const] : [])))
  }

  /** Version 2, each with its own group version's paths alone. */
  documentsV2(): JsonObject[] {
    return [...this.#byService.values()].flatMap(({ v2 }) => (v2 ? [v2] : []))
  }

  forget(service: string): void {
    if (this.#byService.delete(service)) this.#generation++
  }

  /** Never throws: a server without documents is served all the same. */
  async refresh(service: string, remote: Remote, stopping: AbortSignal): Promise<void> {
    const { group = '', version = '' } = remote.apiService.spec
    const name = `apis/${group}/${version}`
    const known = this.#byService.get(service) ?? { name, v3Url: '', v2Etag: '' }
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(FETCH_TIMEOUT_MS)])
    try {
      const v2 = await this.#v2(remote, known, signal)
      const next = { name, ...v2, ...(await this.#v3(remote, known, v2.v2, name, signal)) }
      if (next.v2 === known.v2 && next.v3?.hash === known.v3?.hash) return
      this.#byService.set(service, next)
      this.#generation++
    } catch (error) {
      if (!stopping.aborted) this.#log.info('OpenAPI of a remote server could not be read', { apiService: service, error: String(error) })
    }
  }

  async #v2({ server, apiService }: Remote, known: Documents, signal: AbortSignal): Promise<Pick<Documents, 'v2' | 'v2Etag'>> {
    const { group = '', version = '' } = apiService.spec
    const headers = { accept: 'application/json', ...(known.v2Etag && { 'if-none-match': known.v2Etag }) }
    const { status, headers: answered, body } = await server.ask('/openapi/v2', { user: AGGREGATOR_USER, headers, signal })
    if (status === 304) return { v2Etag: known.v2Etag, ...(known.v2 && { v2: known.v2 }) }
    if (status !== 200) return { v2Etag: '' }
    const document = JSON.parse(body.toString()) as JsonObject
    return { v2Etag: answered.etag ?? '', v2: schemasOf(document, `/apis/${group}/${version}/`) }
  }

  async #v3(
    { server }: Remote,
    known: Documents,
    v2: JsonObject | undefined,
    name: string,
    signal: AbortSignal,
  ): Promise<Pick<Documents, 'v3' | 'v3Url'>> {
    const headers = { accept: 'application/json' }
    const index = await server.ask('/openapi/v3', { user: AGGREGATOR_USER, headers, signal })
    if (index.status !== 200) {
      if (!v2) return { v3Url: '' }
      const json = Buffer.from(JSON.stringify(v3OfV2(v2)))
      return { v3Url: '', v3: { json, hash: hashOf(json) } }
    }
    const { paths = {} } = JSON.parse(index.body.toString()) as { paths?: Record<string, { serverRelativeURL?: string }> }
    const url = paths[name]?.serverRelativeURL
    if (!url?.startsWith('/')) return { v3Url: '' }
    if (known.v3 && url === known.v3Url && url.includes('hash=')) return { v3Url: url, v3: known.v3 }
    const answer = await server.ask(url, { user: AGGREGATOR_USER, headers, signal })
    if (answer.status !== 200) return { v3Url: '' }
    return { v3Url: url, v3: { json: answer.body, hash: hashOf(answer.body) } }
  }
}
