/**
 * What the server itself looks up of its objects, and notes on them. Credentials are judged with these before there is a
 * registry to ask: until it is there, nothing is.
 */
import { secrets as secretResource } from '../api/kinds/core/v1.ts'
import type { Secret } from '../api/kinds/core/v1.ts'
import type { KubeObject, Resource } from '../api/resource.ts'
import { isConflict, isNotFound } from '../api/status.ts'
import type { Logger } from '../base/logger.ts'
import { LAST_USED_LABEL } from './authentication/legacyTokens.ts'
import type { Loopback } from './bootstrap/bootstrap.ts'
import type { ObjectReader } from './proxy/kubelet.ts'

export class OwnObjects implements ObjectReader {
  readonly #log: Logger
  #loopback: Loopback | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /** From here on there is something to be found. */
  attach(loopback: Loopback): void {
    this.#loopback = loopback
  }

  async get<T extends KubeObject>({ group, version, resource }: Resource<T>, namespace: string, name: string): Promise<T | undefined> {
    const loopback = this.#loopback
    if (!loopback) return undefined
    try {
      return (await loopback.send('get', loopback.resource(group, version, resource), { namespace, name })) as T
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  async list<T extends KubeObject>({ group, version, resource }: Resource<T>, namespace: string, labelSelector: string): Promise<T[]> {
    const loopback = this.#loopback
    if (!loopback) return []
    return [...(await loopback.list(loopback.resource(group, version, resource), { namespace, labelSelector })).values()] as T[]
  }

  secret(namespace: string, name: string): Promise<Secret | undefined> {
    return this.get(secretResource, namespace, name)
  }

  /** One that another server notes at the same time, or that is gone by now, needs no note of ours. */
  async noteTokenUse(secret: Secret, day: string): Promise<void> {
    const { name, namespace, labels } = secret.metadata
    const body = { ...secret, metadata: { ...secret.metadata, labels: { ...labels, [LAST_USED_LABEL]: day } } }
    try {
      await this.#loopback?.send('update', this.#loopback.resource('', 'v1', 'secrets'), { namespace, name, body })
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error))
        this.#log.warn('the use of a token could not be noted', { namespace, name, error: String(error) })
    }
  }
}
