/** A pod's volumes. */
import { quote } from '../../quote.ts'
import { check, duplicate, forbidden, invalid, required } from '../fieldErrors.ts'
import { isDns1123Label, nameIsDnsSubdomain } from '../names.ts'
import { nanosOf } from '../quantities.ts'
import { checkDescendingPath, checkFileMode, checkOneOf } from '../values.ts'
import { checkClaimTemplate } from '../claimSpec.ts'
import { SHARED_RULES, checkCsiDriverName, checkIscsi, checkSources, inOrder } from '../volumeSources.ts'
import { checkDownwardFile, checkKeysToPaths, checkProjected } from './files.ts'
import type { Volume } from '../../kinds/core/v1.ts'
import type { ObjectMeta } from '../../kinds/meta/v1.ts'
import type { FieldError } from '../../status.ts'

export const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never']

const ORDER =
  'emptyDir hostPath gitRepo gcePersistentDisk awsElasticBlockStore secret nfs iscsi glusterfs flocker persistentVolumeClaim rbd cinder cephfs quobyte downwardAPI fc flexVolume configMap azureFile vsphereVolume photonPersistentDisk portworxVolume azureDisk storageos projected scaleIO csi ephemeral image'

const RULES = inOrder<Omit<Volume, 'name'>>(ORDER, {
  ...SHARED_RULES,
  emptyDir(errors, { sizeLimit }, path) {
    if (sizeLimit !== undefined && nanosOf(sizeLimit) < 0n)
      errors.push(forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity'))
  },
  gitRepo(errors, source, path) {
    if (!source.repository) errors.push(required(`${path}.repository`))
    if (source.directory) checkDescendingPath(errors, `${path}.directory`, source.directory)
  },
  secret(errors, source, path) {
    if (!source.secretName) errors.push(required(`${path}.secretName`))
    checkFileMode(errors, `${path}.defaultMode`, source.defaultMode)
    checkKeysToPaths(errors, source.items, `${path}.items`)
  },
  iscsi: (errors, source, path, name) => checkIscsi(errors, source, path, name, true),
  persistentVolumeClaim(errors, { claimName }, path) {
    if (!claimName) errors.push(required(`${path}.claimName`))
  },
  downwardAPI(errors, source, path) {
    checkFileMode(errors, `${path}.defaultMode`, source.defaultMode)
    for (const file of source.items ?? []) checkDownwardFile(errors, file, path)
  },
  configMap(errors, source, path) {
    if (!source.name) errors.push(required(`${path}.name`))
    checkFileMode(errors, `${path}.defaultMode`, source.defaultMode)
    checkKeysToPaths(errors, source.items, `${path}.items`)
  },
  projected: checkProjected,
  csi(errors, { driver, nodePublishSecretRef: secret }, path) {
    checkCsiDriverName(errors, driver, `${path}.driver`)
    if (!secret) return
    if (!secret.name) errors.push(required(`${path}.nodePublishSecretRef.name`))
    else check(errors, `${path}.name`, secret.name, nameIsDnsSubdomain(secret.name, false))
  },
  ephemeral(errors, { volumeClaimTemplate }, path) {
    if (!volumeClaimTemplate) errors.push(required(`${path}.volumeClaimTemplate`))
    else checkClaimTemplate(errors, volumeClaimTemplate, `${path}.volumeClaimTemplate`)
  },
  image(errors, { pullPolicy }, path) {
    checkOneOf(errors, `${path}.pullPolicy`, pullPolicy, PULL_POLICIES)
  },
})

const SOURCES = Object.keys(RULES) as (keyof typeof RULES)[]

/** Answers the volumes that are valid, which mounts may name. `meta` is missing in a template. */
export function checkVolumes(
  errors: FieldError[],
  volumes: readonly Volume[],
  meta: Partial<ObjectMeta> | undefined,
  isPod: boolean,
  path: string,
): Map<string, Volume> {
  const podName = meta?.name ?? ''
  const made = new Set(podName ? volumes.filter(({ ephemeral }) => ephemeral).map(({ name }) => `${podName}-${name}`) : [])
  const valid = new Map<string, Volume>()
  for (const [i, volume] of volumes.entries()) {
    const at = `${path}[${i}]`
    const { name } = volume
    const before = errors.length
    checkSources(errors, volume as Omit<Volume, 'name'>, RULES, at, name)
    const isFirst = !SOURCES.some((field) => field !== 'image' && volume[field])
    if (isPod && volume.image && isFirst && !volume.image.reference) errors.push(required(`${at}.image.reference`))
    if (volume.ephemeral && podName && name) {
      const claim = `${podName}-${name}`
      check(
        errors,
        `${at}.name`,
        name,
        nameIsDnsSubdomain(claim, false).map((error) => `PVC name ${quote(claim)}: ${error}`),
      )
    }
    if (!name) errors.push(required(`${at}.name`))
    else check(errors, `${at}.name`, name, isDns1123Label(name))
    if (valid.has(name)) errors.push(duplicate(`${at}.name`, name))
    if (errors.length === before) valid.set(name, volume)
    const claimName = volume.persistentVolumeClaim?.claimName
    if (claimName !== undefined && made.has(claimName)) {
      errors.push(
        invalid(`${at}.persistentVolumeClaim.claimName`, claimName, 'must not reference a PVC that gets created for an ephemeral volume'),
      )
    }
  }
  return valid
}
