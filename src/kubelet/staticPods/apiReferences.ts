/** What a static pod may not refer to, since it runs without the API. Pure; in upstream's words. */
import type { Container, Pod, Volume } from '../../api/kinds/core/v1.ts'
import { allSpecContainers } from '../pods/podSpec.ts'

type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number]

const VOLUMES: Readonly<Partial<Record<keyof Volume, string>>> = {
  configMap: 'configmaps (via configmap volumes)',
  secret: 'secrets (via secret volumes)',
  csi: 'csidrivers (via CSI volumes)',
  glusterfs: 'endpoints (via glusterFS volumes)',
  persistentVolumeClaim: 'persistentvolumeclaims',
  ephemeral: 'persistentvolumeclaims (via ephemeral volumes)',
  azureFile: 'secrets (via azureFile volumes)',
}
const PROJECTIONS: Readonly<Partial<Record<keyof Projection, string>>> = {
  configMap: 'configmaps (via projected volumes)',
  secret: 'secrets (via projected volumes)',
  serviceAccountToken: 'serviceaccounts (via projected volumes)',
  clusterTrustBundle: 'clustertrustbundles',
  podCertificate: 'podcertificates',
}

/** The first of the names under which the object has something. */
function named<T extends object>(of: T, names: Readonly<Partial<Record<keyof T, string>>>): string | undefined {
  const [key] = Object.keys(names).filter((name) => of[name as keyof T])
  return key === undefined ? undefined : names[key as keyof T]
}

const usesEnvironment = (container: Container, from: 'secretRef' | 'configMapRef', key: 'secretKeyRef' | 'configMapKeyRef'): boolean =>
  container.envFrom?.some((source) => source[from]) === true || container.env?.some(({ valueFrom }) => valueFrom?.[key]) === true

/** Secrets that volumes of outside storage name. */
const VOLUME_SECRETS = ['cephfs', 'cinder', 'flexVolume', 'rbd', 'scaleIO', 'iscsi', 'storageos'] as const

/** Undefined for a pod that needs nothing of the API. */
export function apiReferenceOf(pod: Pod): string | undefined {
  const { spec } = pod
  const { volumes = [] } = spec
  const sources = volumes.flatMap(({ projected }) => projected?.sources ?? [])
  const containers = allSpecContainers(pod)
  if (spec.serviceAccountName || spec.serviceAccount) return 'serviceaccounts'
  const hasSecrets =
    (spec.imagePullSecrets ?? []).length > 0 ||
    containers.some((container) => usesEnvironment(container, 'secretRef', 'secretKeyRef')) ||
    volumes.some(
      (volume) =>
        volume.secret ||
        volume.azureFile ||
        volume.csi?.nodePublishSecretRef ||
        VOLUME_SECRETS.some((kind) => refersToSecret(volume[kind])),
    ) ||
    sources.some(({ secret }) => secret)
  if (hasSecrets) return 'secrets'
  const hasConfigMaps =
    containers.some((container) => usesEnvironment(container, 'configMapRef', 'configMapKeyRef')) ||
    volumes.some(({ configMap }) => configMap) ||
    sources.some(({ configMap }) => configMap)
  if (hasConfigMaps) return 'configmaps'
  if (spec.resourceClaims?.length) return 'resourceclaims'
  for (const volume of volumes) {
    const found = named(volume, VOLUMES)
    if (found !== undefined) return found
    for (const source of volume.projected?.sources ?? []) {
      const projected = named(source, PROJECTIONS)
      if (projected !== undefined) return projected
    }
  }
  return undefined
}

const refersToSecret = (volume: { secretRef?: object } | undefined): boolean => volume?.secretRef !== undefined
