/** The strategy of CustomResourceDefinitions (apiextensions' registry/customresourcedefinition). */
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { withCondition } from '../../api/meta.ts'
import type { KubeObject } from '../../api/resource.ts'
import { newConflict } from '../../api/status.ts'
import { isDns1123Subdomain } from '../../api/validation/names.ts'
import type { Strategy } from '../registry/strategy.ts'
import { validateDefinition, validateDefinitionUpdate, validateStatus } from './definitionValidation.ts'
import type { DefinitionRules } from './definitionValidation.ts'
import { CLEANUP_FINALIZER, schemaOf } from './definitions.ts'
import { isKnownFormat } from './formats.ts'
import { someSchema } from './jsonSchema.ts'

const DEFINITIONS = { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' }

/** The storage version is one of those that objects are stored in. */
function countStorageVersion(definition: CustomResourceDefinition): void {
  const status = (definition.status ??= {})
  const storage = definition.spec.versions?.find((version) => version.storage)?.name
  const stored = status.storedVersions ?? []
  if (storage !== undefined && !stored.includes(storage)) status.storedVersions = [...stored, storage]
}

function unknownFormats({ spec }: CustomResourceDefinition): string[] {
  const formats: string[] = []
  for (const version of spec.versions ?? []) {
    someSchema(schemaOf(version), ({ type, format }) => {
      if (format && !isKnownFormat(type, format)) formats.push(format)
      return false
    })
  }
  return formats
}

const warning = (format: string): string => `unrecognized format ${JSON.stringify(format)}`

export function definitionStrategy(rules: DefinitionRules): Strategy {
  const strategy: Strategy<CustomResourceDefinition> = {
    managesGeneration: true,
    anyFinalizers: true,
    allowUnconditionalUpdate: false,
    returnsDeleted: true,
    initialStatus: () => ({ conditions: null, acceptedNames: { plural: '', kind: '' } }),
    statusKeepsMetadata: true,
    prepareForCreate: countStorageVersion,
    prepareForUpdate: countStorageVersion,
    validateCreate: (definition) => [...validateName(definition), ...validateDefinition(definition, rules)],
    validateUpdate: (definition, old) => validateDefinitionUpdate(definition, old, rules),
    validateStatusUpdate: (definition) => validateStatus(definition).filter(({ field }) => field.startsWith('status.acceptedNames')),
    warningsOnCreate: (definition) => unknownFormats(definition).map(warning),
    warningsOnUpdate(definition, old) {
      const before = new Set(unknownFormats(old))
      return unknownFormats(definition)
        .filter((format) => !before.has(format))
        .map(warning)
    },
    mustStay: ({ metadata }) => metadata.deletionTimestamp === undefined,
    validateName: (name) => isDns1123Subdomain(name),
    checkPreconditions({ metadata }, { uid, resourceVersion }) {
      const fail = (what: string, given: string, is: string): never => {
        throw newConflict(
          DEFINITIONS,
          metadata.name,
          `Precondition failed: ${what} in precondition: ${given}, ${what} in object meta: ${is}`,
        )
      }
      if (uid !== undefined && uid !== metadata.uid) fail('UID', uid, metadata.uid)
      if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
        fail('ResourceVersion', resourceVersion, metadata.resourceVersion)
    },
    prepareForDeletion(next, { now }) {
      const finalizers = next.metadata.finalizers ?? []
      if (!finalizers.includes(CLEANUP_FINALIZER)) next.metadata.finalizers = [...finalizers, CLEANUP_FINALIZER]
      const condition = {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionPending',
        message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
      }
      next.status = { ...next.status, conditions: [...withCondition(next.status?.conditions, condition, now)] }
    },
  }
  return strategy as Strategy<KubeObject>
}

function validateName({ metadata, spec }: CustomResourceDefinition) {
  const { plural } = spec.names
  if (!metadata.name || metadata.name === `${plural}.${spec.group}`) return []
  const message = `Invalid value: ${JSON.stringify(metadata.name)}: must be spec.names.plural+"."+spec.group`
  return [{ type: 'FieldValueInvalid' as const, field: 'metadata.name', message }]
}
