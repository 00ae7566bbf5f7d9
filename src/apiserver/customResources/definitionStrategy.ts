/** The strategy of CustomResourceDefinitions (apiextensions' registry/customresourcedefinition). */
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { withCondition } from '../../api/meta.ts'
import type { KubeObject } from '../../api/resource.ts'
import { newConflict } from '../../api/status.ts'
import type { FieldError } from '../../api/status.ts'
import { invalid } from '../../api/validation/fieldErrors.ts'
import { isDns1123Subdomain } from '../../api/validation/names.ts'
import type { Strategy } from '../registry/strategy.ts'
import { validateDefinition, validateDefinitionUpdate, validateStatus } from './definitionValidation.ts'
import type { DefinitionRules } from './definitionValidation.ts'
import { CLEANUP_FINALIZER, schemaOf } from './definitions.ts'
import { isKnownFormat } from './formats.ts'
import { someSchema } from './jsonSchema.ts'

const DEFINITIONS = { group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' }

/** The storage version is one of those that objects are stored in; a webhook without anything in it is none. The status may be the old object's own. */
function prepare(definition: CustomResourceDefinition): void {
  const { conversion, versions } = definition.spec
  const storage = versions?.find((version) => version.storage)?.name
  const stored = definition.status?.storedVersions ?? []
  if (storage !== undefined && !stored.includes(storage)) definition.status = { ...definition.status, storedVersions: [...stored, storage] }
  const webhook = conversion?.webhook
  if (webhook && !webhook.clientConfig && !webhook.conversionReviewVersions?.length) delete conversion.webhook
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
    prepareForCreate: prepare,
    prepareForUpdate: prepare,
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
    marked(object, now) {
      const { metadata, status } = object
      const finalizers = metadata.finalizers ?? []
      const condition = {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionPending',
        message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
      }
      return {
        ...object,
        metadata: {
          ...metadata,
          deletionTimestamp: now,
          finalizers: finalizers.includes(CLEANUP_FINALIZER) ? finalizers : [...finalizers, CLEANUP_FINALIZER],
        },
        status: { ...status, conditions: [...withCondition(status?.conditions, condition, now)] },
      }
    },
  }
  return strategy as Strategy<KubeObject>
}

function validateName({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  const wanted = `${spec.names.plural}.${spec.group}`
  return (['generateName', 'name'] as const).flatMap((field) => {
    const name = metadata[field]
    return !name || name === wanted ? [] : [invalid(`metadata.${field}`, name, 'must be spec.names.plural+"."+spec.group')]
  })
}
