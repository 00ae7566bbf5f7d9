/** A node and what its pods take of it, kept up as pods come and go. */
import type { Node } from '../api/kinds/core/v1.ts'
import type { HostPort, PodInfo } from './podInfo.ts'
import { ANY_ADDRESS } from './podInfo.ts'
import { addResources, allocatableOf, type Resources } from './resources.ts'

/** `registry/image` without a tag means its latest one. */
export function normalizedImageName(name: string): string {
  return name.lastIndexOf(':') <= name.lastIndexOf('/') ? `${name}:latest` : name
}

const portKey = ({ protocol, port }: HostPort): string => `${protocol}/${port}`

export class NodeInfo {
  readonly pods = new Map<string, PodInfo>()
  /** False where pods were heard of and their node was not, or is gone: it counts for nothing. */
  exists = true
  /** Its number in the cache. */
  slot = -1
  readonly #requested = new Map<string, number>()
  readonly #nonZeroRequested = new Map<string, number>()
  /** Addresses in use by port, with how many pods use them. */
  readonly #ports = new Map<string, Map<string, number>>()
  #node: Node
  #allocatable: Resources
  #images: ReadonlyMap<string, number> | undefined

  constructor(node: Node) {
    this.#node = node
    this.#allocatable = allocatableOf(node)
  }

  get node(): Node {
    return this.#node
  }
  set node(node: Node) {
    this.#node = node
    this.#allocatable = allocatableOf(node)
    this.#images = undefined
  }

  get name(): string {
    return this.#node.metadata.name
  }

  /** What its pods request together. */
  get requested(): Resources {
    return this.#requested
  }

  /** Requests for scoring: pods without requests count with upstream's small defaults. */
  get nonZeroRequested(): Resources {
    return this.#nonZeroRequested
  }

  get podCount(): number {
    return this.pods.size
  }

  get allocatable(): Resources {
    return this.#allocatable
  }

  /** Sizes in bytes by name. */
  get images(): ReadonlyMap<string, number> {
    if (!this.#images) {
      const images = new Map<string, number>()
      for (const { names = [], sizeBytes = 0 } of this.#node.status?.images ?? [])
        for (const name of names) images.set(normalizedImageName(name), sizeBytes)
      this.#images = images
    }
    return this.#images
  }

  hasPort(wanted: HostPort): boolean {
    const taken = this.#ports.get(portKey(wanted))
    if (!taken) return false
    return wanted.ip === ANY_ADDRESS || taken.has(ANY_ADDRESS) || taken.has(wanted.ip)
  }

  add(info: PodInfo): void {
    this.pods.set(info.pod.metadata.uid, info)
    this.#count(info, 1)
  }

  remove(info: PodInfo): void {
    const known = this.pods.get(info.pod.metadata.uid)
    if (!known) return
    this.pods.delete(info.pod.metadata.uid)
    this.#count(known, -1)
  }

  /** The same node to try things out on. */
  copy(): NodeInfo {
    const copy = new NodeInfo(this.#node)
    for (const info of this.pods.values()) copy.add(info)
    return copy
  }

  #count(info: PodInfo, sign: 1 | -1): void {
    addResources(this.#requested, info.requests, sign)
    addResources(this.#nonZeroRequested, info.nonZeroRequests, sign)
    for (const port of info.hostPorts) this.#countPort(port, sign)
  }

  #countPort(port: HostPort, sign: 1 | -1): void {
    const key = portKey(port)
    let addresses = this.#ports.get(key)
    if (!addresses) this.#ports.set(key, (addresses = new Map()))
    const count = (addresses.get(port.ip) ?? 0) + sign
    if (count > 0) addresses.set(port.ip, count)
    else addresses.delete(port.ip)
    if (addresses.size === 0) this.#ports.delete(key)
  }
}
