/** Registry credentials from image pull secrets and from the node's own files (as docker writes them, and as it did), and where they are from. */
import { createHash } from 'node:crypto'
import type { Secret } from '../../api/kinds/core/v1.ts'
import type { RegistryAuth } from '../runtime/runtime.ts'
import { DEFAULT_REGISTRY, repositoryOf } from './imageNames.ts'
import type { PullSecret } from './pullRecords.ts'

export interface Credentials {
  auth: RegistryAuth
  /** Undefined for those of the node: each of its pods has them. */
  secret?: PullSecret
}

interface AuthEntry {
  username?: string
  password?: string
  auth?: string
}

const DEFAULT_REGISTRY_NAMES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/** Credentials by the registry or the part of one that they are for. */
export type AuthEntries = Readonly<Record<string, AuthEntry>>

/** What a file of docker's says; `legacy` as `.dockercfg` did. Throws where it is no JSON. */
export function parseEntries(text: string, legacy: boolean): AuthEntries {
  const parsed = JSON.parse(text) as { auths?: AuthEntries } & AuthEntries
  return (legacy ? parsed : parsed.auths) ?? {}
}

function entriesOf(secret: Secret): AuthEntries {
  const modern = secret.data?.['.dockerconfigjson']
  const encoded = modern ?? secret.data?.['.dockercfg']
  if (!encoded) return {}
  try {
    return parseEntries(Buffer.from(encoded, 'base64').toString(), !modern)
  } catch {
    return {}
  }
}

/** Undefined where it is not what it should be: whoever may write a secret may write anything. */
function toAuth(serverAddress: string, entry: AuthEntry | null): RegistryAuth | undefined {
  const { username, password, auth } = entry ?? {}
  if (username && typeof username === 'string') return { username, password: typeof password === 'string' ? password : '', serverAddress }
  if (!auth || typeof auth !== 'string') return undefined
  const decoded = Buffer.from(auth, 'base64').toString()
  const colon = decoded.indexOf(':')
  return colon < 0 ? undefined : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1), serverAddress }
}

/** `https://host/v1/` and `host/path` alike become `host` or `host/path`. */
function normalizeServer(server: string): string {
  const plain = server
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '')
  const [host = '', ...path] = plain.split('/')
  return [DEFAULT_REGISTRY_NAMES.has(host) ? DEFAULT_REGISTRY : host, ...path].join('/')
}

/** `*.example.com` stands for one label. */
function hostMatches(pattern: string, host: string): boolean {
  const parts = pattern.split('.')
  const labels = host.split('.')
  return parts.length === labels.length && parts.every((part, index) => part === '*' || part === labels[index])
}

function matches(server: string, repository: string): boolean {
  const [pattern = '', ...path] = server.split('/')
  const [host = '', ...rest] = repository.split('/')
  const prefix = path.join('/')
  const inPath = rest.join('/')
  return hostMatches(pattern, host) && (prefix === '' || inPath === prefix || inPath.startsWith(`${prefix}/`))
}

/** As upstream makes it: of what is said, not of the registry it is said to. */
function hashOf({ username, password }: RegistryAuth): string {
  return createHash('sha256')
    .update(JSON.stringify({ username, ...(password && { password }) }))
    .digest('hex')
}

/** Those that fit the image, the most specific first; those of secrets before the node's. */
export function credentialsFor(image: string, secrets: readonly Secret[], ofNode: AuthEntries = {}): Credentials[] {
  const ofSecrets = secrets.flatMap((secret) => Object.entries(entriesOf(secret)).map(([server, entry]) => ({ secret, server, entry })))
  const others = Object.entries(ofNode).map(([server, entry]) => ({ server, entry }))
  return [...fitting(image, ofSecrets), ...fitting(image, others)]
}

function fitting(image: string, all: readonly { server: string; entry: AuthEntry; secret?: Secret }[]): Credentials[] {
  const repository = repositoryOf(image)
  return all
    .map((one) => ({ ...one, server: normalizeServer(one.server) }))
    .filter(({ server }) => matches(server, repository))
    .toSorted((a, b) => b.server.length - a.server.length)
    .flatMap(({ secret, server, entry }) => {
      const auth = toAuth(server, entry)
      if (!auth) return []
      if (!secret) return [{ auth }]
      const { namespace = '', name, uid } = secret.metadata
      return [{ auth, secret: { namespace, name, uid, credentialHash: hashOf(auth) } }]
    })
}
