/** Registry credentials from image pull secrets (`.dockerconfigjson`, `.dockercfg`), and where they are from. */
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

function entriesOf(secret: Secret): Record<string, AuthEntry> {
  const modern = secret.data?.['.dockerconfigjson']
  const legacy = secret.data?.['.dockercfg']
  const encoded = modern ?? legacy
  if (!encoded) return {}
  try {
    const parsed = JSON.parse(Buffer.from(encoded, 'base64').toString()) as { auths?: Record<string, AuthEntry> } & Record<
      string,
      AuthEntry
    >
    return (modern ? parsed.auths : parsed) ?? {}
  } catch {
    return {}
  }
}

function toAuth(serverAddress: string, entry: AuthEntry): RegistryAuth | undefined {
  if (entry.username) return { username: entry.username, password: entry.password ?? '', serverAddress }
  if (!entry.auth) return undefined
  const decoded = Buffer.from(entry.auth, 'base64').toString()
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

/** Those that fit the image, the most specific first. */
export function credentialsFor(image: string, secrets: readonly Secret[]): Credentials[] {
  const repository = repositoryOf(image)
  return secrets
    .flatMap((secret) => Object.entries(entriesOf(secret)).map(([server, entry]) => ({ secret, server: normalizeServer(server), entry })))
    .filter(({ server }) => matches(server, repository))
    .toSorted((a, b) => b.server.length - a.server.length)
    .flatMap(({ secret: { metadata }, server, entry }) => {
      const auth = toAuth(server, entry)
      const { namespace = '', name, uid } = metadata
      return auth ? [{ auth, secret: { namespace, name, uid, credentialHash: hashOf(auth) } }] : []
    })
}
