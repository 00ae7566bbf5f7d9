/** Claims that drivers have made ready on this node, or are about to, for which pods; and the record of it on the disk. Pure. */
import type { ClaimReference, PreparedDevice } from './draDriver.ts'

export interface PreparedClaim extends ClaimReference {
  podUids: ReadonlySet<string>
  /** What each driver has given; nothing while it is still to be asked. */
  devices: ReadonlyMap<string, readonly PreparedDevice[]>
  /** All drivers were asked by this kubelet. */
  prepared: boolean
}

interface Entry extends ClaimReference {
  podUids: string[]
  devices: Record<string, readonly PreparedDevice[]>
}

const keyOf = ({ namespace, name }: Pick<ClaimReference, 'namespace' | 'name'>): string => `${namespace}/${name}`

export class PreparedClaims {
  readonly #byName = new Map<string, PreparedClaim>()

  get(namespace: string, name: string): PreparedClaim | undefined {
    return this.#byName.get(keyOf({ namespace, name }))
  }

  all(): PreparedClaim[] {
    return [...this.#byName.values()]
  }

  of(podUid: string): PreparedClaim[] {
    return this.all().filter(({ podUids }) => podUids.has(podUid))
  }

  pods(): Set<string> {
    return new Set(this.all().flatMap(({ podUids }) => [...podUids]))
  }

  /** The pod uses it from now on. Throws when there is another claim of that name still. */
  use(claim: ClaimReference, drivers: readonly string[], podUid: string): PreparedClaim {
    const known = this.get(claim.namespace, claim.name)
    if (known && known.uid !== claim.uid)
      throw new Error(
        `old ResourceClaim with same name ${claim.name} and different UID ${known.uid} still exists (previous pod force-deleted?!)`,
      )
    const devices = known?.devices ?? new Map(drivers.map((driver) => [driver, []]))
    const podUids = new Set([...(known?.podUids ?? []), podUid])
    return this.#set({ ...claim, podUids, devices, prepared: known?.prepared ?? false })
  }

  give(claim: ClaimReference, driver: string, devices: readonly PreparedDevice[]): void {
    const known = this.get(claim.namespace, claim.name)
    if (known?.uid === claim.uid) this.#set({ ...known, devices: new Map([...known.devices, [driver, devices]]) })
  }

  prepared(claim: ClaimReference, prepared = true): void {
    const known = this.get(claim.namespace, claim.name)
    if (known?.uid === claim.uid) this.#set({ ...known, prepared })
  }

  /** The pod does not use it any more; a claim that nobody uses is forgotten. */
  release(claim: ClaimReference, podUid: string): void {
    const known = this.get(claim.namespace, claim.name)
    if (known?.uid !== claim.uid) return
    const podUids = new Set([...known.podUids].filter((uid) => uid !== podUid))
    if (podUids.size > 0) this.#set({ ...known, podUids })
    else this.#byName.delete(keyOf(claim))
  }

  #set(claim: PreparedClaim): PreparedClaim {
    this.#byName.set(keyOf(claim), claim)
    return claim
  }

  text(): string {
    const entries = this.all().map(({ namespace, name, uid, podUids, devices }): Entry => {
      return { namespace, name, uid, podUids: [...podUids], devices: Object.fromEntries(devices) }
    })
    return JSON.stringify({ claims: entries })
  }

  /** What an earlier kubelet wrote: drivers are asked again before another pod uses a claim. */
  restore(text: string): void {
    const { claims } = JSON.parse(text) as { claims: Entry[] }
    for (const { podUids, devices, ...claim } of claims)
      this.#set({ ...claim, podUids: new Set(podUids), devices: new Map(Object.entries(devices)), prepared: false })
  }
}
