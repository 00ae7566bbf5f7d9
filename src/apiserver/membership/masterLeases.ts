/**
 * Which API servers share a store: each keeps an entry under `/registry/masterleases/` by its address, in upstream's shape, and
 * writes it again and again. Stores have no entries that end by themselves: one that stands still, by this server's own clock,
 * for longer than its server would let it is that of a server that died.
 */
import type { Clock } from '../../base/clock.ts'
import { KeyExistsError, RevisionMismatchError } from '../../storage/store.ts'
import type { Entry, Store } from '../../storage/store.ts'
import { ROOT } from '../cache/keys.ts'

const PREFIX = `${ROOT}masterleases/`
/** Upstream's time to live. */
const LEASE_MS = 15_000

export type LeaseStore = Pick<Store, 'get' | 'list' | 'create' | 'update' | 'delete'>

interface Written {
  metadata: { generation?: number }
}

function leaseOf(address: string, generation: number): Uint8Array {
  const object = {
    kind: 'Endpoints',
    apiVersion: 'v1',
    metadata: { name: address, generation },
    subsets: [{ addresses: [{ ip: address }] }],
  }
  return Buffer.from(JSON.stringify(object))
}

/** Somebody else was first: what they wrote is as good. */
async function unlessRaced(write: Promise<unknown>): Promise<void> {
  await write.catch((error: unknown) => {
    if (!(error instanceof RevisionMismatchError) && !(error instanceof KeyExistsError)) throw error
  })
}

export class MasterLeases {
  readonly #store: LeaseStore
  readonly #clock: Clock
  /** At which revision an entry was seen, and since when. */
  readonly #seen = new Map<string, { revision: number; sinceMs: number }>()

  constructor(store: LeaseStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  async renew(address: string): Promise<void> {
    const key = PREFIX + address
    const entry = await this.#store.get(key)
    if (!entry) return unlessRaced(this.#store.create(key, leaseOf(address, 1)))
    const { metadata } = JSON.parse(Buffer.from(entry.value).toString()) as Written
    await unlessRaced(this.#store.update(key, leaseOf(address, (metadata.generation ?? 0) + 1), entry.modRevision))
  }

  async remove(address: string): Promise<void> {
    const entry = await this.#store.get(PREFIX + address)
    if (entry) await unlessRaced(this.#store.delete(entry.key, entry.modRevision))
  }

  /** The addresses of the servers that live, sorted. Entries of dead ones are removed. */
  async addresses(): Promise<string[]> {
    const { entries } = await this.#store.list(PREFIX)
    const dead = entries.filter((entry) => this.#isDead(entry))
    const keys = new Set(entries.map(({ key }) => key))
    for (const key of this.#seen.keys()) if (!keys.has(key)) this.#seen.delete(key)
    await Promise.all(dead.map(({ key, modRevision }) => unlessRaced(this.#store.delete(key, modRevision))))
    return entries
      .filter((entry) => !dead.includes(entry))
      .map(({ key }) => key.slice(PREFIX.length))
      .sort()
  }

  #isDead({ key, modRevision }: Entry): boolean {
    const nowMs = this.#clock.now()
    const seen = this.#seen.get(key)
    if (seen?.revision === modRevision) return nowMs - seen.sinceMs >= LEASE_MS
    this.#seen.set(key, { revision: modRevision, sinceMs: nowMs })
    return false
  }
}
