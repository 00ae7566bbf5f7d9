/** The node's sign of life. */
import { leases, type Lease } from '../../api/kinds/coordination/v1.ts'
import type { Node } from '../../api/kinds/core/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'

const LEASE_NAMESPACE = 'kube-node-lease'
const LEASE_SECONDS = 40
/** It is to be renewed this often. */
export const LEASE_INTERVAL_MS = 10_000

export interface NodeLeaseOptions {
  client: Client
  clock: Clock
  signal: AbortSignal
  nodeName: string
}

/** Makes the lease, which goes with the node, where there is none. */
export async function renewLease({ client, clock, signal, nodeName }: NodeLeaseOptions, node: Node | undefined): Promise<void> {
  const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z')
  const at = { namespace: LEASE_NAMESPACE, name: nodeName, signal }
  const spec = { renewTime, holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS }
  try {
    await client.patch(leases, { ...at, type: 'application/merge-patch+json' }, { spec })
  } catch (error) {
    if (!isNotFound(error)) throw error
    const owner = node && { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata.uid }
    const lease: Draft<Lease> = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: nodeName, namespace: LEASE_NAMESPACE, ...(owner && { ownerReferences: [owner] }) },
      spec,
    }
    await client.create(leases, lease, { namespace: LEASE_NAMESPACE, signal }).catch((failure: unknown) => {
      if (!isAlreadyExists(failure) && !isConflict(failure)) throw failure
    })
  }
}
