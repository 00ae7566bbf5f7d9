/** ServiceAccount: every pod runs as one, and finds its token, the cluster's CA and its namespace in a volume. */
import { pods, serviceaccounts } from '../../api/kinds/core/v1.ts'
import { randomSuffix } from '../../api/names.ts'
import { quote } from '../../api/quote.ts'
import { forbid, isResource, resourceNameError } from './admission.ts'
import type { Container, Pod, ServiceAccount, Volume, VolumeMount } from '../../api/kinds/core/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'

const MIRROR = 'kubernetes.io/config.mirror'
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
const VOLUME_PREFIX = 'kube-api-access-'
/** One hour, and a while more for the kubelet to renew it. */
const TOKEN_SECONDS = 3_607
const ENFORCE = 'kubernetes.io/enforce-mountable-secrets'
const DEFAULT_MODE = 0o644

function tokenVolume(name: string): Volume {
  const namespaceField = { apiVersion: 'v1', fieldPath: 'metadata.namespace' }
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: namespaceField }] } },
      ],
      defaultMode: DEFAULT_MODE,
    },
  }
}

function mountToken(pod: Pod): void {
  const { spec } = pod
  const existing = spec.volumes?.find((volume) => volume.name.startsWith(VOLUME_PREFIX))
  const name = existing?.name ?? VOLUME_PREFIX + randomSuffix()
  const mount: VolumeMount = { name, readOnly: true, mountPath: MOUNT_PATH }
  let used = false
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])] as Container[]) {
    if (container.volumeMounts?.some((given) => given.mountPath === MOUNT_PATH)) continue
    container.volumeMounts = [...(container.volumeMounts ?? []), { ...mount }]
    used = true
  }
  if (used && !existing) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)]
}

function wantsToken(pod: Pod, account: ServiceAccount): boolean {
  return pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true
}

function checkMirror(request: AdmissionRequest, pod: Pod): void {
  if (pod.spec.serviceAccountName) throw forbid(request, 'a mirror pod may not reference service accounts')
  const usesSecrets =
    pod.spec.volumes?.some((volume) => volume.secret) ||
    [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])].some(
      (c) => c.env?.some((env) => env.valueFrom?.secretKeyRef) || c.envFrom?.some((from) => from.secretRef),
    )
  if (usesSecrets) throw forbid(request, 'a mirror pod may not reference secrets')
  const usesTokens = pod.spec.volumes?.some((volume) => volume.projected?.sources?.some((source) => source.serviceAccountToken))
  if (usesTokens) throw forbid(request, 'a mirror pod may not use ServiceAccountToken volume projections')
}

function checkSecrets(request: AdmissionRequest, pod: Pod, account: ServiceAccount): void {
  if (account.metadata.annotations?.[ENFORCE] !== 'true') return
  const allowed = new Set((account.secrets ?? []).map((reference) => reference.name))
  for (const { name, secret } of pod.spec.volumes ?? []) {
    if (secret?.secretName && !allowed.has(secret.secretName)) {
      throw forbid(
        request,
        `volume with secret.secretName=${JSON.stringify(secret.secretName)} is not allowed because service account ${account.metadata.name} does not reference that secret (volume ${name})`,
      )
    }
  }
}

export function createServiceAccount(reader: ObjectReader): AdmissionPlugin {
  const accountOf = (request: AdmissionRequest, pod: Pod): ServiceAccount => {
    const name = pod.spec.serviceAccountName || 'default'
    const account = reader.get(serviceaccounts, request.namespace, name)
    if (account) return account
    const why = resourceNameError(name) ?? `serviceaccount ${quote(name)} not found`
    throw forbid(request, `error looking up service account ${request.namespace}/${name}: ${why}`)
  }
  const isPodCreate = (request: AdmissionRequest): boolean =>
    request.operation === 'CREATE' && isResource(request, pods.group, pods.resource)
  return {
    name: 'ServiceAccount',
    admit(request) {
      if (!isPodCreate(request)) return
      const pod = request.object as Pod
      if (!pod.spec) return
      if (pod.metadata.annotations?.[MIRROR] !== undefined) return checkMirror(request, pod)
      pod.spec.serviceAccountName ||= 'default'
      pod.spec.serviceAccount = pod.spec.serviceAccountName
      const account = accountOf(request, pod)
      if (wantsToken(pod, account)) mountToken(pod)
      if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
        pod.spec.imagePullSecrets = structuredClone(account.imagePullSecrets)
    },
    validate(request) {
      if (!isPodCreate(request)) return
      const pod = request.object as Pod
      if (pod.metadata.annotations?.[MIRROR] !== undefined) return checkMirror(request, pod)
      checkSecrets(request, pod, accountOf(request, pod))
    },
  }
}
