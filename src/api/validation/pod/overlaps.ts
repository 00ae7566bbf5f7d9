/** Files of one volume that lie in each other's place. */
import { quote } from '../../quote.ts'
import type { KeyToPath, Volume, VolumeProjection } from '../../kinds/core/v1.ts'

interface Target {
  path: string
  source: string
}

const show = ({ path, source }: Target): string => (source ? `${quote(path)} (${source})` : quote(path))
const trimSlashes = (path: string): string => path.replace(/\/+$/, '')
const targetsOf = (items: readonly Pick<KeyToPath, 'path'>[] | undefined, source: string): Target[] =>
  (items ?? []).map(({ path }) => ({ path: trimSlashes(path), source }))

function collisions(targets: readonly Target[], title: string): string[] {
  return targets.flatMap((target, i) => {
    if (target.path === '') return []
    const overlaps = ({ path }: Target): boolean =>
      path !== '' && (`${path}/`.startsWith(`${target.path}/`) || `${target.path}/`.startsWith(`${path}/`))
    return targets
      .slice(0, i)
      .filter(overlaps)
      .map((other) => `${title}: overlapping paths: ${show(target)} with ${show(other)}`)
  })
}

function projected(source: VolumeProjection): Target[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle: bundle, podCertificate: certificate } = source
  if (configMap?.items) return targetsOf(configMap.items, `ConfigMap ${quote(configMap.name ?? '')}`)
  if (secret?.items) return targetsOf(secret.items, `Secret ${quote(secret.name ?? '')}`)
  if (downwardAPI?.items) return targetsOf(downwardAPI.items, 'DownwardAPI')
  if (serviceAccountToken) return targetsOf([serviceAccountToken], 'ServiceAccountToken')
  if (bundle) return targetsOf([bundle], `ClusterTrustBundle ${quote(bundle.name ?? bundle.signerName ?? '')}`)
  if (!certificate) return []
  const { certificateChainPath: chain, keyPath: key, credentialBundlePath: credentials } = certificate
  const parts = [
    [chain, 'chain'],
    [key, 'key'],
    [credentials, 'credential bundle'],
  ] as const
  return parts.flatMap(([path, part]) => (path ? targetsOf([{ path }], `PodCertificate ${part}`) : []))
}

export function overlappingPaths(volumes: readonly Volume[]): string[] {
  return volumes.flatMap(({ name, configMap, secret, downwardAPI, projected: projection }) => {
    const title = (what: string): string => `volume ${quote(name)} (${what})`
    const sources = projection?.sources ?? []
    return [
      ...collisions(targetsOf(configMap?.items, ''), title(`ConfigMap ${quote(configMap?.name ?? '')}`)),
      ...collisions(targetsOf(secret?.items, ''), title(`Secret ${quote(secret?.secretName ?? '')}`)),
      ...collisions(targetsOf(downwardAPI?.items, ''), title('DownwardAPI')),
      ...sources.filter((source) => Object.keys(source).length === 0).map(() => `${title('Projected')} has no sources provided`),
      ...collisions(sources.flatMap(projected), title('Projected')),
    ]
  })
}
