/** Registry credentials from image pull secrets (`.dockerconfigjson`, `.dockercfg`). */
import type { Secret } from '../../api/kinds/core/v1.ts'
import type { RegistryAuth } from '../runtime/runtime.ts'

interface AuthEntry {
  username?: string
  password?: string
  auth?: string
}

const DEFAULT_REGISTRY = 'docker.io'
const DEFAULT_REGISTRY_NAMES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/** The registry host of an image name; `docker.io` where it names none. */
export function registryOf(image: string): string {
  const first = image.split('/')[0] ?? ''
  const namesHost = image.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost')
  return namesHost ? first : DEFAULT_REGISTRY
}

function repositoryOf(image: string): string {
  const registry = registryOf(image)
  const rest = image.startsWith(`${registry}/`) ? image.slice(registry.length + 1) : image
  return `${registry}/${rest.replace(/@.*$/, '').replace(/:[^/]*$/, '')}`
}

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

/** Those that fit the image, the most specific first. */
export function credentialsFor(image: string, secrets: readonly Secret[]): RegistryAuth[] {
  const repository = repositoryOf(image)
  return secrets
    .flatMap((secret) => Object.entries(entriesOf(secret)))
    .map(([server, entry]) => ({ server: normalizeServer(server), entry }))
    .filter(({ server }) => matches(server, repository))
    .toSorted((a, b) => b.server.length - a.server.length)
    .flatMap(({ server, entry }) => toAuth(server, entry) ?? [])
}
