/** The core group, pods and services aside. */
import {
  validateConfigMap,
  validateConfigMapChange,
  validateNamespace,
  validateNamespaceStatus,
  validateSecret,
  validateSecretChange,
} from '../../../api/validation/config.ts'
import { validateEvent, validateEventUpdate } from '../../../api/validation/events.ts'
import { isLongName, isPathSegmentName, nameIsDnsLabel } from '../../../api/validation/names.ts'
import { validateNode, validateNodeUpdate } from '../../../api/validation/node.ts'
import { validateEndpoints } from '../../../api/validation/endpoints.ts'
import { validateLimitRange } from '../../../api/validation/limitRanges.ts'
import { validateFinalizerDomains, validateObjectMetaUpdate } from '../../../api/validation/objectMeta.ts'
import { validateResourceQuota, validateResourceQuotaStatus, validateResourceQuotaUpdate } from '../../../api/validation/resourceQuotas.ts'
import {
  validateNewPersistentVolume,
  validatePersistentVolumeClaim,
  validatePersistentVolumeClaimStatusUpdate,
  validatePersistentVolumeClaimUpdate,
  validatePersistentVolumeUpdate,
} from '../../../api/validation/persistentVolumes.ts'
import { validateReplicationControllerStatusUpdate } from '../../../api/validation/workloadStatus.ts'
import { validatePodTemplate, validateReplicationController, validateReplicationControllerUpdate } from '../../../api/validation/apps.ts'
import { randomUUID } from 'node:crypto'
import { newConflict } from '../../../api/status.ts'
import {
  claimWarnings,
  nodeWarnings,
  persistentVolumeWarnings,
  secretWarnings,
  templateWarnings,
  workloadWarnings,
} from '../../../api/validation/warnings.ts'
import { settleDataSources } from './claims.ts'
import { dropDisabledTemplateFields } from './disabledFields.ts'
import { podStrategy } from './pods.ts'
import { serviceStrategy } from './services.ts'
import { activeStatus, pendingStatus, replicaStatus, volumeStatus } from './status.ts'
import type {
  ConfigMap,
  Endpoints,
  Event,
  LimitRange,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PodTemplate,
  ReplicationController,
  ResourceQuota,
  Secret,
  ServiceAccount,
} from '../../../api/kinds/core/v1.ts'
import type { Strategy } from '../strategy.ts'

const unsupported = (label: string): string => `field label not supported: ${label}`

const namespaces: Strategy<Namespace> = {
  updateChecks: ['new', 'change'],
  ...activeStatus,
  statusKeepsMetadata: true,
  returnsDeleted: true,
  selectsNamespace: false,
  validateName: nameIsDnsLabel,
  prepareForCreate(next) {
    const finalizers = next.spec?.finalizers ?? []
    if (!finalizers.includes('kubernetes')) next.spec = { ...next.spec, finalizers: [...finalizers, 'kubernetes'] }
  },
  prepareForUpdate(next, old) {
    next.spec = old.spec
  },
  checkPreconditions({ metadata }, { uid, resourceVersion }) {
    const refuse = (what: string, given: string, is: string): Error =>
      newConflict(
        { group: '', resource: 'namespaces' },
        metadata.name,
        `Precondition failed: ${what} in precondition: ${given}, ${what} in object meta: ${is}`,
      )
    if (uid !== undefined && uid !== metadata.uid) throw refuse('UID', uid, metadata.uid)
    if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
      throw refuse('ResourceVersion', resourceVersion, metadata.resourceVersion)
  },
  prepareForDeletion(next) {
    if (next.spec?.finalizers?.length) delete next.metadata.deletionGracePeriodSeconds
    next.status = { ...next.status, phase: 'Terminating' }
  },
  mustStay: (namespace) => (namespace.spec?.finalizers ?? []).length > 0,
  validateCreate: validateNamespace,
  validateStatusUpdate: validateNamespaceStatus,
  selectableFields: { 'status.phase': (namespace) => namespace.status?.phase ?? '' },
  unknownFieldLabel: unsupported,
}

const nodes: Strategy<Node> = {
  updateChecks: ['new', 'change'],
  initialStatus: 'keep',
  prepareForCreate({ spec, status }) {
    delete spec?.configSource
    delete status?.config
  },
  prepareForUpdate({ spec }, old) {
    if (!old.spec?.configSource) delete spec?.configSource
  },
  prepareForStatusUpdate({ status }, old) {
    if (!old.status?.config) delete status?.config
  },
  statusKeepsMetadata: true,
  selectsNamespace: false,
  validateCreate: validateNode,
  validateUpdate: (next, old) => [...validateNode(next), ...validateNodeUpdate(next, old)],
  validateStatusUpdate: validateNodeUpdate,
  warningsOnCreate: nodeWarnings,
  warningsOnUpdate: nodeWarnings,
  selectableFields: { 'spec.unschedulable': (node) => String(node.spec?.unschedulable ?? false) },
  unknownFieldLabel: unsupported,
}

const configMaps: Strategy<ConfigMap> = {
  updateChecks: ['change', 'changed', 'new', 'own'],
  validateCreate: validateConfigMap,
  validateUpdate: validateConfigMap,
  validateChanged: validateConfigMapChange,
}

const secrets: Strategy<Secret> = {
  updateChecks: ['change', 'changed', 'new', 'own'],
  validateCreate: validateSecret,
  prepareForUpdate(next, old) {
    if (!next.type) next.type = old.type ?? 'Opaque'
  },
  validateUpdate: validateSecret,
  validateChanged: validateSecretChange,
  warningsOnCreate: secretWarnings,
  warningsOnUpdate: secretWarnings,
  selectableFields: { type: (secret) => secret.type ?? '' },
  unknownFieldLabel: unsupported,
}

const events: Strategy<Event> = {
  validateName: isPathSegmentName,
  updateChecks: [],
  allowCreateOnUpdate: true,
  validateCreate: (event, { group }) => validateEvent(event, group),
  validateUpdate: (next, old, { group }) => {
    // The core group leaves metadata to what is common to all kinds.
    const metaErrors = group ? [...validateObjectMetaUpdate(next.metadata, old.metadata), ...validateFinalizerDomains(next.metadata)] : []
    return [...metaErrors, ...validateEventUpdate(next, old, group)]
  },
  selectableFields: {
    'involvedObject.kind': (e) => e.involvedObject.kind ?? '',
    'involvedObject.namespace': (e) => e.involvedObject.namespace ?? '',
    'involvedObject.name': (e) => e.involvedObject.name ?? '',
    'involvedObject.uid': (e) => e.involvedObject.uid ?? '',
    'involvedObject.apiVersion': (e) => e.involvedObject.apiVersion ?? '',
    'involvedObject.resourceVersion': (e) => e.involvedObject.resourceVersion ?? '',
    'involvedObject.fieldPath': (e) => e.involvedObject.fieldPath ?? '',
    reason: (e) => e.reason ?? '',
    reportingComponent: (e) => e.reportingComponent ?? '',
    source: (e) => e.source?.component || e.reportingComponent || '',
    type: (e) => e.type ?? '',
  },
  unknownFieldLabel: unsupported,
}

const replicationControllers: Strategy<ReplicationController> = {
  checksOnlyName: true,
  validateName: isLongName,
  defaultPropagation: 'Orphan',
  ...replicaStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  prepareForCreate: ({ spec }) => dropDisabledTemplateFields(spec?.template),
  prepareForUpdate: ({ spec }, old) => dropDisabledTemplateFields(spec?.template, old.spec?.template),
  validateCreate: validateReplicationController,
  validateUpdate: validateReplicationControllerUpdate,
  validateStatusUpdate: validateReplicationControllerStatusUpdate,
  warningsOnCreate: workloadWarnings,
  // Upstream takes the old template for the new one here.
  warningsOnUpdate: ({ metadata }, old) => (metadata.generation === old.metadata.generation ? [] : templateWarnings(old.spec?.template)),
  selectableFields: { 'status.replicas': (controller) => String(controller.status?.replicas ?? 0) },
  unknownFieldLabel: unsupported,
}

const persistentVolumes: Strategy<PersistentVolume> = {
  updateChecks: ['new', 'new'],
  ...volumeStatus,
  statusKeepsMetadata: true,
  returnsDeleted: true,
  prepareForStatusUpdate(next, old, { now }) {
    const [status, before] = [next.status ?? {}, old.status ?? {}]
    const { lastPhaseTransitionTime: since } = before
    const isTimed = status.lastPhaseTransitionTime !== undefined
    if (status.phase === before.phase) {
      if (!isTimed && since !== undefined) next.status = { ...status, lastPhaseTransitionTime: since }
    } else if (!isTimed || status.lastPhaseTransitionTime === since) next.status = { ...status, lastPhaseTransitionTime: now }
  },
  validateCreate: validateNewPersistentVolume,
  validateUpdate: validatePersistentVolumeUpdate,
  warningsOnCreate: persistentVolumeWarnings,
  warningsOnUpdate: persistentVolumeWarnings,
}

const persistentVolumeClaims: Strategy<PersistentVolumeClaim> = {
  updateChecks: ['change', 'new'],
  ...pendingStatus,
  statusKeepsMetadata: true,
  returnsDeleted: true,
  prepareForCreate: ({ spec }) => settleDataSources(spec),
  prepareForUpdate: ({ spec }, old) => settleDataSources(spec, old.spec),
  validateCreate: validatePersistentVolumeClaim,
  validateUpdate: validatePersistentVolumeClaimUpdate,
  validateStatusUpdate: (next) => validatePersistentVolumeClaimStatusUpdate(next),
  warningsOnCreate: claimWarnings,
  warningsOnUpdate: claimWarnings,
}

const podTemplates: Strategy<PodTemplate> = {
  managesGeneration: true,
  returnsDeleted: true,
  prepareForCreate: ({ template }) => dropDisabledTemplateFields(template),
  prepareForUpdate: ({ template }, old) => dropDisabledTemplateFields(template, old.template),
  validateCreate: validatePodTemplate,
  validateUpdate: validatePodTemplate,
  warningsOnCreate: ({ template }) => templateWarnings(template, 'template'),
  warningsOnUpdate: ({ metadata, template }, old) =>
    metadata.generation === old.metadata.generation ? [] : templateWarnings(template, 'template'),
}

/** An account names secrets, and nothing else of them. */
function keepSecretNames(account: ServiceAccount): void {
  if (account.secrets) account.secrets = account.secrets.map(({ name }) => (name ? { name } : {}))
}

const serviceAccounts: Strategy<ServiceAccount> = {
  updateChecks: ['change', 'new'],
  returnsDeleted: true,
  prepareForCreate: keepSecretNames,
  prepareForUpdate: keepSecretNames,
}
const limitRanges: Strategy<LimitRange> = {
  updateChecks: ['new'],
  prepareForCreate(next) {
    next.metadata.name ||= randomUUID()
  },
  allowCreateOnUpdate: true,
  validateCreate: validateLimitRange,
  validateUpdate: validateLimitRange,
}
const resourceQuotas: Strategy<ResourceQuota> = {
  statusKeepsMetadata: true,
  returnsDeleted: true,
  validateCreate: validateResourceQuota,
  validateUpdate: validateResourceQuotaUpdate,
  validateStatusUpdate: validateResourceQuotaStatus,
}
const endpoints: Strategy<Endpoints> = {
  updateChecks: ['change', 'new'],
  allowCreateOnUpdate: true,
  validateCreate: (subsets) => validateEndpoints(subsets),
  validateUpdate: validateEndpoints,
}

export const coreStrategies: Record<string, Strategy> = {
  '/namespaces': namespaces as Strategy,
  '/nodes': nodes as Strategy,
  '/configmaps': configMaps as Strategy,
  '/secrets': secrets as Strategy,
  '/events': events as Strategy,
  '/pods': podStrategy as Strategy,
  '/services': serviceStrategy as Strategy,
  '/endpoints': endpoints as Strategy,
  '/serviceaccounts': serviceAccounts as Strategy,
  '/replicationcontrollers': replicationControllers as Strategy,
  '/persistentvolumes': persistentVolumes as Strategy,
  '/persistentvolumeclaims': persistentVolumeClaims as Strategy,
  '/podtemplates': podTemplates as Strategy,
  '/limitranges': limitRanges as Strategy,
  '/resourcequotas': resourceQuotas as Strategy,
}
