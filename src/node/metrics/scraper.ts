/**
 * Reads kubelets' usage when somebody asks for it, and never otherwise: a cluster whose metrics nobody reads costs nothing.
 * A rate wants two readings; the one of the question before serves as the first, unless it is too old to tell of now.
 */
import { request } from 'node:https'
import type { Clock } from '../../base/clock.ts'
import { parseReading, usageBetween, type NodeUsage, type Reading } from './usage.ts'

export interface ScraperOptions {
  /** Answers the text of a kubelet's /metrics/resource. */
  read(address: string, signal: AbortSignal): Promise<string>
  clock: Clock
}

/** Questions this soon after another get its answer: metrics-server's resolution is no finer. */
const FRESH_MS = 10_000
const SHORTEST_WINDOW_MS = 1_000
/** HPA asks every 15 s; what is much older says little about now. */
const LONGEST_WINDOW_MS = 90_000

interface Known {
  reading: Reading
  usage: NodeUsage | undefined
}

export class Scraper {
  readonly #options: ScraperOptions
  readonly #known = new Map<string, Known>()
  readonly #asking = new Map<string, Promise<NodeUsage>>()

  constructor(options: ScraperOptions) {
    this.#options = options
  }

  /** Those who ask at the same time share an answer. */
  usage(address: string, signal: AbortSignal): Promise<NodeUsage> {
    let asking = this.#asking.get(address)
    if (!asking) {
      asking = this.#usage(address, signal).finally(() => this.#asking.delete(address))
      this.#asking.set(address, asking)
    }
    return asking
  }

  /** Nodes that are gone need not be remembered. */
  keepOnly(addresses: ReadonlySet<string>): void {
    for (const address of this.#known.keys()) if (!addresses.has(address)) this.#known.delete(address)
  }

  async #usage(address: string, signal: AbortSignal): Promise<NodeUsage> {
    const { clock } = this.#options
    const known = this.#known.get(address)
    const ageMs = known ? clock.now() - known.reading.atMs : Infinity
    if (known?.usage && ageMs < FRESH_MS) return known.usage
    let before = ageMs >= SHORTEST_WINDOW_MS && ageMs <= LONGEST_WINDOW_MS ? known?.reading : undefined
    if (!before) {
      before = await this.#read(address, signal)
      await clock.sleep(SHORTEST_WINDOW_MS, signal)
    }
    const reading = await this.#read(address, signal)
    const usage = usageBetween(before, reading)
    this.#known.set(address, { reading, usage })
    return usage
  }

  async #read(address: string, signal: AbortSignal): Promise<Reading> {
    const { read, clock } = this.#options
    return parseReading(await read(address, signal), clock.now())
  }
}

const READ_TIMEOUT_MS = 10_000
const MAX_BYTES = 64 * 2 ** 20

/** Asks a kubelet over TLS, with a certificate that it knows. */
export function kubeletReader(tls: { ca: string; cert: string; key: string }): ScraperOptions['read'] {
  return async (address, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const asked = request(`https://${address}/metrics/resource`, {
      ...tls,
      signal: AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)]),
    })
    asked.on('error', reject)
    asked.on('response', (response) => {
      const parts: Buffer[] = []
      let sizeBytes = 0
      response.on('data', (part: Buffer) => {
        sizeBytes += part.length
        if (sizeBytes > MAX_BYTES) response.destroy(new Error(`the kubelet at ${address} answers more than ${MAX_BYTES} bytes`))
        else parts.push(part)
      })
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(parts).toString()
        if (response.statusCode === 200) resolve(text)
        else reject(new Error(`the kubelet at ${address} answered ${response.statusCode}: ${text}`))
      })
    })
    asked.end()
    return promise
  }
}
