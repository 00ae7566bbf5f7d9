/** What a driver's CSIDriver object says of how its volumes are to be handled. */
import { csidrivers, type CSIDriver } from '../../api/kinds/storage/v1.ts'
import { isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'

/** Undefined for a driver without such an object. */
export async function settingsOf(client: Client, driver: string, signal: AbortSignal): Promise<CSIDriver | undefined> {
  return client.get(csidrivers, { name: driver, signal }).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
}

/** By the driver's policy; unless it has one: a file system that one node alone writes to. */
export function ownedByGroup(settings: CSIDriver | undefined, fsType = '', accessModes: readonly string[] = []): boolean {
  const policy = settings?.spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType'
  if (policy !== 'ReadWriteOnceWithFSType') return policy === 'File'
  return fsType !== '' && accessModes.some((mode) => mode === 'ReadWriteOnce' || mode === 'ReadWriteOncePod')
}

/** Throws in upstream's words where the driver has no volumes that live and end with their pod. */
export function checkedForEphemeral(driver: string, settings: CSIDriver | undefined): CSIDriver {
  const modes = settings?.spec.volumeLifecycleModes ?? []
  if (settings && modes.includes('Ephemeral')) return settings
  const why = settings ? `only supports ${JSON.stringify(modes).replaceAll(',', ' ')}` : 'no CSIDriver object'
  throw new Error(
    `kubernetes.io/csi: mounter.SetupAt failed to check volume lifecycle mode: volume mode "Ephemeral" not supported by driver ${driver} (${why})`,
  )
}
