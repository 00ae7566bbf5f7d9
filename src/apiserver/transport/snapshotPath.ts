/**
 * `GET /minicube/snapshot`: a copy of the whole store at one moment, as a file that the store opens again. It holds every
 * Secret, and being outside the API it is for those alone who may do everything (RBAC's nonResourceURLs).
 */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { newMethodNotAllowed, newStatusError } from '../../api/status.ts'
import type { Store } from '../../storage/store.ts'
import type { PathHandler, RequestContext } from './filters.ts'

const PATH = '/minicube/snapshot'

export class SnapshotPath implements PathHandler {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async handle({ exchange, path, signal }: RequestContext): Promise<boolean> {
    if (path !== PATH) return false
    if (exchange.method !== 'GET') throw newMethodNotAllowed()
    if (!this.#store.backup) {
      const why = this.#store.shared ? 'the objects are in etcd: use etcdctl snapshot save' : 'the objects are in memory alone'
      throw newStatusError(501, '', `there is no snapshot of this store: ${why}`, {})
    }
    const folder = await mkdtemp(join(tmpdir(), 'minicube-snapshot-'))
    try {
      const file = join(folder, 'state.db')
      await this.#store.backup(file)
      const { size } = await stat(file)
      const headers = { 'content-type': 'application/octet-stream', ...(exchange.httpVersion === '1.1' && { 'content-length': size }) }
      await pipeline(createReadStream(file), exchange.stream(200, headers), { signal })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    return true
  }
}
