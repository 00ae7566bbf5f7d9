/** Where audit events are sent: the kubeconfig of `--audit-webhook-config-file`, its current context and what that leads to. */
import { dirname, resolve } from 'node:path'
import { parseYaml } from '../../api/codec/yaml.ts'

export interface WebhookEndpoint {
  url: string
  /** PEM. */
  ca?: string
  cert?: string
  key?: string
  /** The Authorization header. */
  authorization?: string
  serverName?: string
  insecure: boolean
}

export class AuditWebhookConfigError extends Error {}

type Entry = Readonly<Record<string, unknown>>

/** Of `clusters: [{name, cluster: {...}}]` and its like. */
function named(config: Entry, list: string, kind: string, name: unknown): Entry {
  const entries = Array.isArray(config[list]) ? (config[list] as Entry[]) : []
  const found = entries.find((entry) => entry['name'] === name)
  return (found?.[kind] ?? {}) as Entry
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function authorizationOf(user: Entry, fileOf: (value: unknown) => string | undefined): string | undefined {
  const token = fileOf(user['tokenFile'])?.trim() ?? text(user['token'])
  if (token !== undefined) return `Bearer ${token}`
  const { username, password } = user
  return text(username) && `Basic ${Buffer.from(`${String(username)}:${String(password ?? '')}`).toString('base64')}`
}

/** `readFile` reads what the kubeconfig at `path` names. Throws an AuditWebhookConfigError that says what is wrong with it. */
export function parseWebhookConfig(config: string, path: string, readFile: (path: string) => string): WebhookEndpoint {
  let parsed: unknown
  try {
    parsed = parseYaml(config).value
  } catch (cause) {
    throw new AuditWebhookConfigError(`${path} is not YAML: ${String(cause)}`, { cause })
  }
  const kubeconfig = (parsed ?? {}) as Entry
  const contexts = Array.isArray(kubeconfig['contexts']) ? (kubeconfig['contexts'] as Entry[]) : []
  const context = named(kubeconfig, 'contexts', 'context', kubeconfig['current-context'] ?? contexts[0]?.['name'])
  const cluster = named(kubeconfig, 'clusters', 'cluster', context['cluster'])
  const user = named(kubeconfig, 'users', 'user', context['user'])
  const url = URL.parse(String(cluster['server'] ?? ''))
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new AuditWebhookConfigError(`${path}: the current context leads to no server with an http or https URL`)
  const fileOf = (value: unknown): string | undefined => {
    const name = text(value)
    return name && readFile(resolve(dirname(path), name))
  }
  const pem = (entry: Entry, key: string): string | undefined => {
    const data = text(entry[`${key}-data`])
    return data ? Buffer.from(data, 'base64').toString() : fileOf(entry[key])
  }
  const ca = pem(cluster, 'certificate-authority')
  const cert = pem(user, 'client-certificate')
  const key = pem(user, 'client-key')
  const authorization = authorizationOf(user, fileOf)
  const serverName = text(cluster['tls-server-name'])
  return {
    url: url.href,
    insecure: cluster['insecure-skip-tls-verify'] === true,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(authorization && { authorization }),
    ...(serverName && { serverName }),
  }
}
