/** Whether the kernel confines processes by AppArmor profiles, and lets this node see them. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

export async function hasAppArmor(sysDirectory = '/sys'): Promise<boolean> {
  const [profiles, enabled] = await Promise.all([
    stat(join(sysDirectory, 'kernel/security/apparmor')).catch(() => undefined),
    readFile(join(sysDirectory, 'module/apparmor/parameters/enabled'), 'utf8').catch(() => ''),
  ])
  return profiles !== undefined && enabled.startsWith('Y')
}
