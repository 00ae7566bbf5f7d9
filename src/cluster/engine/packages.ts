/** Installs packages of the host's distribution, when the user lets us. Debian and Ubuntu alone: apt. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { ExecError, run } from '../../base/exec.ts'
import { UserError } from '../userError.ts'

/** Daemons live in sbin folders, which a user's PATH often lacks. */
export const SYSTEM_PATH = `${process.env.PATH ?? ''}${delimiter}/usr/local/sbin:/usr/sbin:/sbin`

export function findProgram(name: string): string | undefined {
  return SYSTEM_PATH.split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
}

export interface InstallOptions {
  /** The packages, and for which reason, in words. */
  packages: string[]
  purpose: string
  /** False when the user said --no-install. */
  allowed: boolean
  onNotice(message: string): void
  signal: AbortSignal
}

const APT_OPTIONS = ['-q', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120']
const INSTALL_TIMEOUT_MS = 600_000

export async function installPackages(options: InstallOptions): Promise<void> {
  const { packages, purpose, signal } = options
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  const refuse = (message: string): UserError =>
    new UserError({ area: 'HOST', sort: 'NOT_FOUND', message, hint: `Install them yourself: ${command}` })
  if (!options.allowed)
    throw refuse(`${purpose} needs packages that are not installed (${packages.join(', ')}), and --no-install was given`)
  if (!findProgram('apt-get')) throw refuse(`${purpose} needs ${packages.join(', ')}, and this host has no apt to install them with`)
  if (process.getuid?.() !== 0)
    throw refuse(`${purpose} needs packages that are not installed (${packages.join(', ')}), and only root may install them`)
  options.onNotice(`Installing ${packages.join(', ')} with apt (${purpose}; --no-install refuses this)`)
  const env = { DEBIAN_FRONTEND: 'noninteractive', PATH: SYSTEM_PATH }
  const install = (): Promise<unknown> =>
    run('apt-get', ['install', ...APT_OPTIONS, ...packages], { signal, env, timeoutMs: INSTALL_TIMEOUT_MS })
  try {
    // Package lists may be missing (fresh containers) or too old to be downloaded from.
    await install().catch(async (error: unknown) => {
      if (!(error instanceof ExecError)) throw error
      await run('apt-get', ['update', '-q'], { signal, env, timeoutMs: INSTALL_TIMEOUT_MS })
      await install()
    })
  } catch (cause) {
    if (signal.aborted) throw cause
    throw new UserError({
      area: 'HOST',
      sort: 'UNAVAILABLE',
      message: `apt could not install ${packages.join(', ')}: ${(cause as Error).message}`,
      hint: `Try it by hand: ${command}`,
      cause,
    })
  }
}
