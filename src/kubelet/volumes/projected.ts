/** The files of a configMap, secret, downwardAPI or projected volume, gathered from their sources. */
import type { ConfigMap, Pod, Secret, ServiceAccountTokenProjection, Volume, VolumeProjection } from '../../api/kinds/core/v1.ts'
import type { PodFacts } from '../pods/fieldRef.ts'
import { configMapPayload, DEFAULT_FILE_MODE, downwardPayload, secretPayload } from './payload.ts'
import type { ItemsOptions, Payload, ProjectedFile } from './payload.ts'

export interface ProjectedSources {
  facts: PodFacts
  configMap(name: string): Promise<ConfigMap | undefined>
  secret(name: string): Promise<Secret | undefined>
  token(projection: ServiceAccountTokenProjection): Promise<string>
}

const PRIVATE_MODE = 0o600

async function configMapFiles(
  source: { name?: string; items?: ItemsOptions['items']; optional?: boolean },
  defaultMode: number,
  sources: ProjectedSources,
): Promise<Payload> {
  const { name = '', items, optional = false } = source
  const found = await sources.configMap(name)
  if (!found && !optional) throw new Error(`configmap "${name}" not found`)
  return configMapPayload(found, { items, defaultMode, optional, missing: 'configmap references non-existent config key' })
}

async function secretFiles(
  source: { name?: string; items?: ItemsOptions['items']; optional?: boolean },
  defaultMode: number,
  sources: ProjectedSources,
): Promise<Payload> {
  const { name = '', items, optional = false } = source
  const found = await sources.secret(name)
  if (!found && !optional) throw new Error(`secret "${name}" not found`)
  return secretPayload(found, { items, defaultMode, optional, missing: 'references non-existent secret key' })
}

/** Users that all containers of the pod share, or undefined: then a token must be readable by everyone or the group. */
function commonUser(pod: Pod): number | undefined {
  const { containers = [], initContainers = [], securityContext } = pod.spec ?? {}
  const users = [...initContainers, ...containers].map((c) => c.securityContext?.runAsUser ?? securityContext?.runAsUser)
  return users.every((user) => user === users[0]) ? users[0] : undefined
}

function tokenFile(pod: Pod, token: string, defaultMode: number): ProjectedFile {
  const data = Buffer.from(token)
  const uid = commonUser(pod)
  const mode = uid === undefined && pod.spec?.securityContext?.fsGroup === undefined ? defaultMode : PRIVATE_MODE
  return { data, mode, ...(uid !== undefined && { uid }) }
}

async function projection(pod: Pod, source: VolumeProjection, defaultMode: number, sources: ProjectedSources): Promise<Payload> {
  if (source.configMap) return configMapFiles(source.configMap, defaultMode, sources)
  if (source.secret) return secretFiles(source.secret, defaultMode, sources)
  if (source.downwardAPI) return downwardPayload(pod, source.downwardAPI.items ?? [], defaultMode, sources.facts)
  if (source.serviceAccountToken) {
    const token = await sources.token(source.serviceAccountToken)
    return new Map([[source.serviceAccountToken.path, tokenFile(pod, token, defaultMode)]])
  }
  if (source.clusterTrustBundle?.optional) return new Map([[source.clusterTrustBundle.path, { data: Buffer.alloc(0), mode: defaultMode }]])
  const [kind] = Object.keys(source)
  // The API server takes what belongs to features that are off out of a source, which then stands for nothing.
  if (kind === undefined) return new Map()
  throw new Error(`projected source ${kind} is not supported on this node`)
}

export async function projectedPayload(pod: Pod, volume: Volume, sources: ProjectedSources): Promise<Payload> {
  const { configMap, secret, downwardAPI, projected } = volume
  if (configMap) return configMapFiles(configMap, configMap.defaultMode ?? DEFAULT_FILE_MODE, sources)
  if (secret) {
    const { secretName, items, optional } = secret
    const named = { ...(secretName && { name: secretName }), ...(items && { items }), ...(optional !== undefined && { optional }) }
    return secretFiles(named, secret.defaultMode ?? DEFAULT_FILE_MODE, sources)
  }
  if (downwardAPI) return downwardPayload(pod, downwardAPI.items ?? [], downwardAPI.defaultMode ?? DEFAULT_FILE_MODE, sources.facts)
  const defaultMode = projected?.defaultMode ?? DEFAULT_FILE_MODE
  const all = await Promise.all((projected?.sources ?? []).map((source) => projection(pod, source, defaultMode, sources)))
  return new Map(all.flatMap((payload) => [...payload]))
}
