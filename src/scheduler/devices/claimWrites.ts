/** What the scheduler writes into claims: their devices and which pods use them, and both taken back. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { resourceclaims, type AllocationResult, type ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { timestamp } from '../../api/meta.ts'
import { keyOf } from '../../api/resource.ts'
import { isConflict } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import { isReservedFor } from './claims.ts'

const FINALIZER = 'resource.kubernetes.io/delete-protection'
const WRITE_TRIES = 5

export interface ClaimWriter {
  client: Client
  clock: Clock
}

function reserved(
  claim: ResourceClaim,
  { metadata: { name, uid } }: Pod,
  allocation: AllocationResult | undefined,
  clock: Clock,
): ResourceClaim {
  const { allocation: had, reservedFor = [] } = claim.status ?? {}
  if (had && allocation) throw new Error(`claim ${keyOf(claim)} got allocated elsewhere in the meantime`)
  const chosen = had ?? allocation
  if (!chosen) throw new Error(`claim ${keyOf(claim)} got deallocated elsewhere in the meantime`)
  return {
    ...claim,
    status: {
      ...claim.status,
      allocation: { allocationTimestamp: timestamp(clock.now()), ...chosen },
      reservedFor: [...reservedFor, { resource: 'pods', name, uid }],
    },
  }
}

/** @throws what came in between */
async function writeOnce(
  before: ResourceClaim,
  pod: Pod,
  allocation: AllocationResult | undefined,
  writer: ClaimWriter,
  signal: AbortSignal,
) {
  const { client, clock } = writer
  let claim = before
  if (claim.metadata.deletionTimestamp !== undefined) throw new Error(`claim ${keyOf(claim)} got deleted in the meantime`)
  const finalizers = claim.metadata.finalizers ?? []
  if (allocation && !claim.status?.allocation && !finalizers.includes(FINALIZER)) {
    const metadata = { ...claim.metadata, finalizers: [...finalizers, FINALIZER] }
    claim = await client.update(resourceclaims, { ...claim, metadata }, { signal })
  }
  await client.update(resourceclaims, reserved(claim, pod, allocation, clock), { subresource: 'status', signal })
}

/** Writes a claim's devices, where it has none yet, and that the pod uses it. */
export async function bindClaim(
  known: ResourceClaim,
  pod: Pod,
  allocation: AllocationResult | undefined,
  writer: ClaimWriter,
  signal: AbortSignal,
): Promise<void> {
  let claim = known
  for (let tries = 1; ; tries++) {
    try {
      return await writeOnce(claim, pod, allocation, writer, signal)
    } catch (error) {
      if (!isConflict(error) || tries === WRITE_TRIES) throw error
      claim = await writer.client.get(resourceclaims, { namespace: claim.metadata.namespace, name: claim.metadata.name, signal })
      if (claim.metadata.uid !== known.metadata.uid) throw new Error(`claim ${keyOf(known)} got replaced`, { cause: error })
    }
  }
}

/** The pod did not get its node: the claim is free for others. */
export async function giveBack(claim: ResourceClaim, pod: Pod, { client }: ClaimWriter, signal: AbortSignal): Promise<void> {
  if (!isReservedFor(claim, pod)) return
  const reservedFor = (claim.status?.reservedFor ?? []).filter(({ uid }) => uid !== pod.metadata.uid)
  await client.update(resourceclaims, { ...claim, status: { ...claim.status, reservedFor } }, { subresource: 'status', signal })
}

export async function deallocate(claim: ResourceClaim, { client }: ClaimWriter, signal: AbortSignal): Promise<void> {
  const { allocation: _allocation, reservedFor: _reserved, devices: _devices, ...status } = claim.status ?? {}
  await client.update(resourceclaims, { ...claim, status }, { subresource: 'status', signal })
}
