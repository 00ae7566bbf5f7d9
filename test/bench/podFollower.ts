/** Notes when pods are first seen running, and when they are gone, as a client that watches them learns it. */
import { pods } from '../../src/api/kinds/core/v1.ts'
import type { Client } from '../../src/client/client.ts'

type Moment = 'running' | 'gone'

export class PodFollower {
  readonly #seen = new Map<string, PromiseWithResolvers<number>>()

  async follow(client: Client, namespace: string, signal: AbortSignal): Promise<void> {
    const { resourceVersion } = await client.list(pods, { namespace, signal })
    void this.#read(client, namespace, resourceVersion, signal)
  }

  /** In milliseconds of `performance.now()`. */
  when(name: string, moment: Moment): Promise<number> {
    return this.#entry(name, moment).promise
  }

  async #read(client: Client, namespace: string, resourceVersion: string, signal: AbortSignal): Promise<void> {
    try {
      for await (const event of client.watch(pods, { namespace, resourceVersion, signal })) {
        if (event.type === 'BOOKMARK') continue
        const { name } = event.object.metadata
        if (event.type === 'DELETED') this.#entry(name, 'gone').resolve(performance.now())
        else if (event.object.status?.phase === 'Running') this.#entry(name, 'running').resolve(performance.now())
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  #entry(name: string, moment: Moment): PromiseWithResolvers<number> {
    const key = `${name}/${moment}`
    let entry = this.#seen.get(key)
    if (!entry) this.#seen.set(key, (entry = Promise.withResolvers<number>()))
    return entry
  }
}
