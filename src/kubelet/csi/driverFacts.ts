/** What drivers are told with a call, as far as they ask for it: of the pod, tokens of its service account, secrets. */
import type { Pod, Secret, SecretReference } from '../../api/kinds/core/v1.ts'
import type { CSIDriver } from '../../api/kinds/storage/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import { ServiceAccountTokens } from '../volumes/serviceAccountToken.ts'
import type { VolumeCall } from './driver.ts'

export interface DriverFactsOptions {
  client: Client
  clock: Clock
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>
}

export interface Telling {
  settings: CSIDriver | undefined
  attributes: Readonly<Record<string, string>> | undefined
  secrets: ReadonlyMap<string, string>
  /** The volume lives and ends with its pod. */
  ephemeral: boolean
}

export function podInfo(pod: Pod, ephemeral: boolean): Map<string, string> {
  const { name, namespace, uid } = pod.metadata
  return new Map([
    ['csi.storage.k8s.io/pod.name', name],
    ['csi.storage.k8s.io/pod.namespace', namespace],
    ['csi.storage.k8s.io/pod.uid', uid],
    ['csi.storage.k8s.io/serviceAccount.name', pod.spec?.serviceAccountName ?? ''],
    ['csi.storage.k8s.io/ephemeral', String(ephemeral)],
  ])
}

export class DriverFacts {
  readonly #options: DriverFactsOptions
  readonly #tokens: ServiceAccountTokens

  constructor(options: DriverFactsOptions) {
    this.#options = options
    this.#tokens = new ServiceAccountTokens(options)
  }

  async of(
    pod: Pod,
    { settings, attributes, secrets, ephemeral }: Telling,
    signal: AbortSignal,
  ): Promise<Pick<VolumeCall, 'volumeContext' | 'secrets'>> {
    const tokens = await this.#serviceAccountTokens(pod, settings, signal)
    const inSecrets = settings?.spec.serviceAccountTokenInSecrets === true
    const info = settings?.spec.podInfoOnMount ? podInfo(pod, ephemeral) : []
    return {
      volumeContext: new Map([...Object.entries(attributes ?? {}), ...info, ...(inSecrets ? [] : tokens)]),
      secrets: new Map([...secrets, ...(inSecrets ? tokens : [])]),
    }
  }

  /** What a secret has; empty without a reference. Throws when it is not there. */
  async secrets(reference: SecretReference | undefined, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const { name, namespace } = reference ?? {}
    if (!name || !namespace) return new Map()
    const secret = await this.#options.secret(namespace, name, signal)
    if (!secret) throw new Error(`secret "${namespace}/${name}" not found`)
    return new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
  }

  forget(podUid: string): void {
    this.#tokens.forget(podUid)
  }

  async #serviceAccountTokens(pod: Pod, settings: CSIDriver | undefined, signal: AbortSignal): Promise<[string, string][]> {
    const requests = settings?.spec.tokenRequests ?? []
    if (requests.length === 0) return []
    const statuses: Record<string, { token: string; expirationTimestamp: string }> = {}
    for (const { audience, expirationSeconds } of requests) {
      const projection = { path: '', audience, ...(expirationSeconds !== undefined && { expirationSeconds }) }
      const { value, expires } = await this.#tokens.get(pod, projection, signal)
      statuses[audience] = { token: value, expirationTimestamp: expires }
    }
    return [['csi.storage.k8s.io/serviceAccount.tokens', JSON.stringify(statuses)]]
  }
}
