/** A profile is what the user's machine remembers of a cluster: `profiles/<name>/` with its configuration and its events. */
import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExtraConfig } from '../api/componentOptions.ts'
import { makePrivateDirectory, profilePaths, profilesDirectory, writeFileAtomic } from './home.ts'
import { DEFAULT_PROFILE } from './names.ts'
import { isErrorCode, UserError } from './userError.ts'

export interface ProfileConfig {
  name: string
  createdAt: string
  kubernetesVersion: string
  /** The engine the cluster lives in, e.g. unix:///var/run/docker.sock. */
  engineHost: string
  image: string
  /** Whether `image` was given by the user instead of built from this checkout. */
  imagePinned: boolean
  containerMode: ContainerMode
  /** With `ipv6Subnet` it has a range of each IP family, and so has the cluster. */
  network: { name: string; subnet: string; ipv6Subnet?: string; nodeIP: string }
  hostApiPort: number
  cpus?: number
  memoryBytes?: number
  publish: string[]
  /** How many containers there are, with the first one; 1 unless given. */
  nodes?: number
  /** Nodes without a machine beside the real one. */
  fakeNodes?: number
  /** Options of components, as --extra-config gave them. */
  extraConfig?: ExtraConfig
  serviceClusterIpRange: string
  podCidr: string
  clusterDns: string
  clusterDomain: string
}

/** How the node container gets its rights: `--privileged`, or everything by name for hosts that lack CAP_SYS_RESOURCE. */
export type ContainerMode = 'privileged' | 'capabilities'

export async function readProfile(home: string, name: string): Promise<ProfileConfig | undefined> {
  const path = profilePaths(home, name).config
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
  try {
    const config = JSON.parse(text) as ProfileConfig
    if (config.name !== name || !config.engineHost) throw new Error('fields are missing')
    return config
  } catch (cause) {
    throw new UserError({
      area: 'HOST',
      sort: 'CONFIG',
      message: `the configuration of profile "${name}" cannot be read: ${path}`,
      hint: `Delete the cluster and start it again: minicube delete --profile ${name}`,
      cause,
    })
  }
}

/** As readProfile, but no profile is an error: exit code 85. */
export async function requireProfile(home: string, name: string): Promise<ProfileConfig> {
  const profile = await readProfile(home, name)
  if (!profile) {
    throw new UserError({
      area: 'GUEST',
      sort: 'NOT_FOUND',
      message: `profile "${name}" not found`,
      hint: `To start a cluster: minicube start${name === DEFAULT_PROFILE ? '' : ` --profile ${name}`}`,
    })
  }
  return profile
}

export async function writeProfile(home: string, config: ProfileConfig): Promise<void> {
  const paths = profilePaths(home, config.name)
  await makePrivateDirectory(paths.directory)
  await writeFileAtomic(paths.config, `${JSON.stringify(config, null, 2)}\n`)
}

export async function removeProfile(home: string, name: string): Promise<void> {
  await rm(profilePaths(home, name).directory, { recursive: true, force: true })
}

/** What the last start told, one JSON object a line. Nothing where there is no such profile (any more). */
export async function writeEvents(home: string, name: string, events: readonly object[]): Promise<void> {
  const paths = profilePaths(home, name)
  if (existsSync(paths.config)) await writeFileAtomic(paths.events, events.map((event) => `${JSON.stringify(event)}\n`).join(''))
}

export interface ProfileList {
  valid: ProfileConfig[]
  /** Names of profile folders whose configuration is missing or broken. */
  invalid: string[]
}

export async function listProfiles(home: string): Promise<ProfileList> {
  const list: ProfileList = { valid: [], invalid: [] }
  let names: string[]
  try {
    const entries = await readdir(profilesDirectory(home), { withFileTypes: true })
    names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name)
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return list
    throw error
  }
  for (const name of names.sort()) {
    const config = await readProfile(home, name).catch(() => undefined)
    if (config) list.valid.push(config)
    else list.invalid.push(name)
  }
  return list
}

const activeProfilePath = (home: string): string => join(home, 'config.json')

/** The profile that commands mean when none is named. */
export async function activeProfile(home: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  if (env.MINICUBE_PROFILE) return env.MINICUBE_PROFILE
  try {
    const config = JSON.parse(await readFile(activeProfilePath(home), 'utf8')) as { profile?: string }
    return config.profile || DEFAULT_PROFILE
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return DEFAULT_PROFILE
    throw error
  }
}

export async function setActiveProfile(home: string, profile: string): Promise<void> {
  await makePrivateDirectory(home)
  await writeFileAtomic(activeProfilePath(home), `${JSON.stringify({ profile })}\n`)
}
