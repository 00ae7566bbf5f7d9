/**
 * The Lease in kube-system by which an API server can be told from others (`apiserver-…`, after its host), renewed while it
 * serves; Leases of servers that stopped renewing theirs are removed (upstream's kube-apiserver-identity-lease controllers).
 */
import { createHash } from 'node:crypto'
import type { Lease } from '../../api/kinds/coordination/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { isConflict, isNotFound } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { Loopback } from '../bootstrap/bootstrap.ts'

const NAMESPACE = 'kube-system'
const IDENTITY_LABEL = 'apiserver.kubernetes.io/identity'
const HOSTNAME_LABEL = 'kubernetes.io/hostname'
const COMPONENT = 'kube-apiserver'
const LEASE_SECONDS = 3_600
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const HASH_BYTES = 16

/** The Lease's wire format of time has microseconds. */
const microTime = (epochMs: number): string => new Date(epochMs).toISOString().replace('Z', '000Z')

/** RFC 4648, small and without padding. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? []).map((five) => BASE32[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')
}

/** The same for one host at every start. */
export function serverIdentity(hostname: string): string {
  const hash = createHash('sha256')
  for (const text of [hostname, COMPONENT]) {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(Buffer.byteLength(text))
    hash.update(length).update(text)
  }
  return `apiserver-${base32(hash.digest().subarray(0, HASH_BYTES))}`
}

function isExpired({ spec }: Lease, nowMs: number): boolean {
  const { renewTime, leaseDurationSeconds = 0 } = spec ?? {}
  return !renewTime || Date.parse(renewTime) + leaseDurationSeconds * 1000 < nowMs
}

export interface IdentityLeaseOptions {
  loopback: Loopback
  hostname: string
  clock: Clock
}

export class IdentityLease {
  readonly #loopback: Loopback
  readonly #clock: Clock
  readonly #name: string
  readonly #hostname: string
  /** Differs from start to start. */
  readonly #holder: string

  constructor({ loopback, hostname, clock }: IdentityLeaseOptions) {
    this.#loopback = loopback
    this.#clock = clock
    this.#hostname = hostname
    this.#name = serverIdentity(hostname)
    this.#holder = `${this.#name}_${crypto.randomUUID()}`
  }

  /** Creates or renews the Lease; one that another server of this host took meanwhile is taken back at the next time. */
  async renew(): Promise<void> {
    const resource = this.#loopback.resource('coordination.k8s.io', 'v1', 'leases')
    const at = { namespace: NAMESPACE, name: this.#name }
    const labels = { [IDENTITY_LABEL]: COMPONENT, [HOSTNAME_LABEL]: this.#hostname }
    const spec = { holderIdentity: this.#holder, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTime(this.#clock.now()) }
    try {
      const known = (await this.#loopback.send('get', resource, at)) as Lease
      const body = {
        ...known,
        metadata: { ...known.metadata, labels: { ...known.metadata.labels, ...labels } },
        spec: { ...known.spec, ...spec },
      }
      await this.#loopback.send('update', resource, { ...at, body })
    } catch (error) {
      if (isConflict(error)) return
      if (!isNotFound(error)) throw error
      const lease: Draft<Lease> = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { ...at, labels }, spec }
      await this.#loopback.ensure(resource, lease)
    }
  }

  /** Removes the Leases of servers that are gone. */
  async collect(): Promise<void> {
    const resource = this.#loopback.resource('coordination.k8s.io', 'v1', 'leases')
    const all = await this.#loopback.list(resource, { namespace: NAMESPACE, labelSelector: `${IDENTITY_LABEL}=${COMPONENT}` })
    const nowMs = this.#clock.now()
    for (const lease of all.values() as Iterable<Lease>) {
      if (!isExpired(lease, nowMs)) continue
      await this.#loopback.send('delete', resource, { namespace: NAMESPACE, name: lease.metadata.name }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error
      })
    }
  }
}
