/** The object that says whether a volume is attached to the node; a node waits for its attacher no longer than a while. */
import { volumeattachments } from '../../api/kinds/storage/v1.ts'
import { isForbidden, isNotFound } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import { NotAttachedError } from '../volumes/volumeErrors.ts'
import { sha256 } from './volumeData.ts'

/** Most attachers are done within this time; who takes longer is asked for again, later and later. */
const ATTACH_WAIT_MS = 10_000
const ATTACH_LOOK_MS = 200

export function attachmentName(volumeHandle: string, driver: string, nodeName: string): string {
  return `csi-${sha256(`${volumeHandle}${driver}${nodeName}`)}`
}

/** What the attacher learnt when it attached the volume; throws a NotAttachedError when it takes too long to. */
export async function waitForAttachment(
  { client, clock }: { client: Client; clock: Clock },
  name: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const untilMs = clock.now() + ATTACH_WAIT_MS
  for (;;) {
    const found = await client.get(volumeattachments, { name, signal }).catch((error: unknown) => {
      // What is not there is nobody's, and a node may see its own alone.
      if (isNotFound(error) || isForbidden(error)) return undefined
      throw error
    })
    // One that is leaving may be detached at any moment.
    if (found?.status?.attached === true && !found.metadata.deletionTimestamp)
      return new Map(Object.entries(found.status.attachmentMetadata ?? {}))
    if (clock.now() + ATTACH_LOOK_MS > untilMs) throw new NotAttachedError(`volume attachment ${name} is not attached yet`)
    await clock.sleep(ATTACH_LOOK_MS, signal)
  }
}
