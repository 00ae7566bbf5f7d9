/** Volumes whose content are files that the kubelet writes: config maps, secrets, the downward API, projections of them. */
import { check, forbidden, invalid, notSupported, required } from '../fieldErrors.ts'
import { goInternal } from '../goInternal.ts'
import { validateLabelSelector } from '../labels.ts'
import { isQualifiedName } from '../names.ts'
import { checkFileMode, checkLocalPath } from '../values.ts'
import { checkSignerName, clusterTrustBundleNameErrors, isKubernetesSigner } from '../signers.ts'
import { VOLUME_FIELDS, checkFieldRef, checkResourceFieldRef } from './env.ts'
import type {
  ClusterTrustBundleProjection,
  DownwardAPIVolumeFile,
  KeyToPath,
  PodCertificateProjection,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

function checkKeyToPath(errors: FieldError[], { key, path: target, mode }: KeyToPath, path: string): void {
  if (!key) errors.push(required(`${path}.key`))
  if (!target) errors.push(required(`${path}.path`))
  checkLocalPath(errors, `${path}.path`, target)
  checkFileMode(errors, `${path}.mode`, mode)
}

export function checkKeysToPaths(errors: FieldError[], items: readonly KeyToPath[] | undefined, path: string): void {
  items?.forEach((item, i) => checkKeyToPath(errors, item, `${path}[${i}]`))
}

/** A file of the downward API; upstream's paths leave out its index. */
export function checkDownwardFile(errors: FieldError[], file: DownwardAPIVolumeFile, path: string): void {
  if (!file.path) errors.push(required(`${path}.path`))
  checkLocalPath(errors, `${path}.path`, file.path)
  if (file.fieldRef) {
    checkFieldRef(errors, file.fieldRef, VOLUME_FIELDS, `${path}.fieldRef`)
    if (file.resourceFieldRef) errors.push(invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'))
  } else if (file.resourceFieldRef) checkResourceFieldRef(errors, file.resourceFieldRef, true, `${path}.resourceFieldRef`)
  else errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'))
  checkFileMode(errors, `${path}.mode`, file.mode)
}

/** All sources of a projection write into one tree: no two may want the same file. */
class Targets {
  readonly #taken = new Set<string>()
  readonly #errors: FieldError[]
  readonly #path: string

  constructor(errors: FieldError[], path: string) {
    this.#errors = errors
    this.#path = path
  }

  take(target: string | undefined, shown: string | undefined = target): void {
    if (!target) return
    if (this.#taken.has(target)) this.#errors.push(invalid(this.#path, shown, 'conflicting duplicate paths'))
    this.#taken.add(target)
  }
}

const MIN_TOKEN_SECONDS = 600
const MAX_TOKEN_SECONDS = 2 ** 32

function checkToken(errors: FieldError[], token: ServiceAccountTokenProjection, path: string, projectionPath: string): void {
  const seconds = token.expirationSeconds ?? 0
  const field = `${path}.expirationSeconds`
  if (seconds < MIN_TOKEN_SECONDS) errors.push(invalid(field, seconds, 'may not specify a duration less than 10 minutes'))
  if (seconds > MAX_TOKEN_SECONDS) errors.push(invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds'))
  if (!token.path) errors.push(required(`${projectionPath}.path`))
  else checkLocalPath(errors, `${projectionPath}.path`, token.path)
}

function checkTrustBundle(errors: FieldError[], bundle: ClusterTrustBundleProjection, path: string, targets: Targets): void {
  const { name, signerName, labelSelector } = bundle
  if (name !== undefined && signerName !== undefined)
    errors.push(invalid(path, goInternal('core.v1.ClusterTrustBundleProjection', bundle), 'only one of name and signerName may be used'))
  else if (name !== undefined) {
    if (name === '') errors.push(required(`${path}.name`, 'must be a valid object name'))
    check(
      errors,
      `${path}.name`,
      name,
      clusterTrustBundleNameErrors(name).map((error) => `not a valid clustertrustbundlename: ${error}`),
    )
    if (labelSelector) errors.push(invalid(`${path}.labelSelector`, labelSelector, 'labelSelector must be unset if name is specified'))
  } else if (signerName !== undefined) {
    if (signerName === '') errors.push(required(`${path}.signerName`, 'must be a valid signer name'))
    checkSignerName(errors, signerName, `${path}.signerName`)
    errors.push(...validateLabelSelector(labelSelector, `${path}.labelSelector`))
  } else errors.push(required(path, 'either name or signerName must be specified'))
  if (!bundle.path) errors.push(required(`${path}.path`))
  checkLocalPath(errors, `${path}.path`, bundle.path)
  targets.take(bundle.path)
}

const KEY_TYPES = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519']
const MIN_CERTIFICATE_SECONDS = 3600
const MAX_CERTIFICATE_SECONDS = 7_862_400
const MAX_KUBERNETES_CERTIFICATE_SECONDS = 86_400

function checkPodCertificate(errors: FieldError[], certificate: PodCertificateProjection, path: string, targets: Targets): void {
  const { signerName, userAnnotations, keyType, maxExpirationSeconds: seconds } = certificate
  checkSignerName(errors, signerName, `${path}.signerName`)
  for (const key of Object.keys(userAnnotations ?? {})) check(errors, `${path}.userAnnotations`, key, isQualifiedName(key.toLowerCase()))
  if (!KEY_TYPES.includes(keyType)) errors.push(notSupported(`${path}.keyType`, keyType, KEY_TYPES))
  if (seconds !== undefined) {
    const most = isKubernetesSigner(signerName) ? MAX_KUBERNETES_CERTIFICATE_SECONDS : MAX_CERTIFICATE_SECONDS
    const field = `${path}.maxExpirationSeconds`
    if (seconds < MIN_CERTIFICATE_SECONDS) errors.push(invalid(field, seconds, 'if provided, maxExpirationSeconds must be >= 3600'))
    if (seconds > most) errors.push(invalid(field, seconds, `if provided, maxExpirationSeconds must be <= ${most}`))
  }
  let any = false
  for (const field of ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const) {
    const target = certificate[field]
    if (!target) continue
    any = true
    checkLocalPath(errors, `${path}.${field}`, target)
    targets.take(target)
  }
  if (!any) errors.push(required(path, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath'))
}

function checkProjection(errors: FieldError[], source: VolumeProjection, path: string, projectionPath: string, targets: Targets): void {
  for (const type of ['secret', 'configMap'] as const) {
    const given = source[type]
    if (!given) continue
    if (!given.name) errors.push(required(`${path}.${type}.name`))
    for (const [i, item] of (given.items ?? []).entries()) {
      checkKeyToPath(errors, item, `${path}.${type}.items[${i}]`)
      targets.take(item.path, given.name ?? '')
    }
  }
  for (const file of source.downwardAPI?.items ?? []) {
    checkDownwardFile(errors, file, `${path}.downwardAPI`)
    targets.take(file.path)
  }
  if (source.serviceAccountToken) checkToken(errors, source.serviceAccountToken, `${path}.serviceAccountToken`, projectionPath)
  if (source.clusterTrustBundle) checkTrustBundle(errors, source.clusterTrustBundle, `${path}.clusterTrustBundle`, targets)
  if (source.podCertificate) checkPodCertificate(errors, source.podCertificate, `${path}.podCertificate`, targets)
  if (Object.keys(source).length > 1) errors.push(forbidden(path, 'may not specify more than 1 volume type per source'))
}

export function checkProjected(errors: FieldError[], volume: ProjectedVolumeSource, path: string): void {
  checkFileMode(errors, `${path}.defaultMode`, volume.defaultMode)
  const targets = new Targets(errors, path)
  for (const [i, source] of (volume.sources ?? []).entries()) checkProjection(errors, source, `${path}.sources[${i}]`, path, targets)
}
