/** ObjectMeta's rules (k8s.io/apimachinery/pkg/api/validation): on create and on update. */
import { quote } from '../quote.ts'
import { forbidden, IMMUTABLE, invalid, invalidAll, required, tooLong } from './fieldErrors.ts'
import { isLabelValue, isQualifiedName, nameIsDnsSubdomain, nameIsDnsLabel } from './names.ts'
import type { NameRule } from './names.ts'
import type { FieldError } from '../status.ts'
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from '../kinds/meta/v1.ts'

const ANNOTATIONS_LIMIT_BYTES = 256 * 1024
const MANAGER_LIMIT_BYTES = 128
const SUBRESOURCE_LIMIT_BYTES = 256
/** As Go's unicode.IsPrint. */
const PRINTABLE_RE = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u

export interface MetaRules {
  namespaced: boolean
  /** A DNS subdomain unless given. */
  validateName?: NameRule
  /** Of API machinery's own kinds: a finalizer needs no domain. */
  anyFinalizers?: boolean
}

export function validateObjectMeta(meta: ObjectMeta, rules: MetaRules, path = 'metadata'): FieldError[] {
  const validateName = rules.validateName ?? nameIsDnsSubdomain
  const errors: FieldError[] = []
  if (meta.generateName) errors.push(...invalidAll(`${path}.generateName`, meta.generateName, validateName(meta.generateName, true)))
  if (!meta.name) errors.push(required(`${path}.name`, 'name or generateName is required'))
  else errors.push(...invalidAll(`${path}.name`, meta.name, validateName(meta.name, false)))
  if (rules.namespaced) {
    if (!meta.namespace) errors.push(required(`${path}.namespace`))
    else errors.push(...invalidAll(`${path}.namespace`, meta.namespace, nameIsDnsLabel(meta.namespace, false)))
  } else if (meta.namespace) errors.push(forbidden(`${path}.namespace`, 'not allowed on this type'))
  if ((meta.generation ?? 0) < 0) errors.push(invalid(`${path}.generation`, meta.generation, 'must be greater than or equal to 0'))
  errors.push(...validateMetaFields(meta, path, true))
  if (!rules.anyFinalizers) errors.push(...validateFinalizerDomains(meta, path))
  return errors
}

/** What finalizers of all kinds but API machinery's have to keep beside the syntax. */
export function validateFinalizerDomains({ finalizers }: ObjectMeta, path = 'metadata'): FieldError[] {
  return (finalizers ?? []).flatMap((finalizer, i) =>
    finalizer.includes('/') || STANDARD_FINALIZERS.has(finalizer) ? [] : [invalid(`${path}.finalizers[${i}]`, finalizer, NO_DOMAIN)],
  )
}

/** A change's finalizers are looked at with those of the object as a whole, not once more. */
function validateMetaFields(meta: ObjectMeta, path: string, finalizers = false): FieldError[] {
  const errors: FieldError[] = []
  if (meta.labels) errors.push(...validateLabels(meta.labels, `${path}.labels`))
  if (meta.annotations) errors.push(...validateAnnotations(meta.annotations, `${path}.annotations`))
  if (meta.ownerReferences) errors.push(...validateOwnerReferences(meta.ownerReferences, `${path}.ownerReferences`))
  if (meta.finalizers && finalizers) errors.push(...validateFinalizers(meta.finalizers, `${path}.finalizers`))
  if (meta.managedFields) errors.push(...validateManagedFields(meta.managedFields, `${path}.managedFields`))
  return errors
}

export function validateLabels(labels: Readonly<Record<string, string>>, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(labels)) {
    errors.push(...invalidAll(path, key, isQualifiedName(key)))
    errors.push(...invalidAll(path, value, isLabelValue(value)))
  }
  return errors
}

export function validateAnnotations(annotations: Readonly<Record<string, string>>, path: string): FieldError[] {
  const errors: FieldError[] = []
  let sizeBytes = 0
  for (const [key, value] of Object.entries(annotations)) {
    errors.push(...invalidAll(path, key, isQualifiedName(key.toLowerCase())))
    sizeBytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (sizeBytes > ANNOTATIONS_LIMIT_BYTES) errors.push(tooLong(path, ANNOTATIONS_LIMIT_BYTES))
  return errors
}

function validateOwnerReferences(references: readonly OwnerReference[], path: string): FieldError[] {
  const errors = references.flatMap((reference) => {
    // With more than one slash it is neither a group nor a version.
    const [first = '', second, third] = reference.apiVersion.split('/')
    const version = third === undefined ? (second ?? first) : ''
    const group = second === undefined ? '' : first
    const found: FieldError[] = []
    if (!version) found.push(invalid(`${path}.apiVersion`, reference.apiVersion, 'version must not be empty'))
    if (!reference.kind) found.push(invalid(`${path}.kind`, reference.kind, 'must not be empty'))
    if (!reference.name) found.push(invalid(`${path}.name`, reference.name, 'must not be empty'))
    if (!reference.uid) found.push(invalid(`${path}.uid`, reference.uid, 'must not be empty'))
    if (group === '' && version === 'v1' && reference.kind === 'Event') {
      found.push(invalid(path, inGoOrder(reference), '/v1, Kind=Event is disallowed from being an owner'))
    }
    return found
  })
  const [first, ...further] = references.filter((reference) => reference.controller)
  for (const { kind, name } of further) {
    const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first?.kind}/${first?.name} and ${kind}/${name}`
    errors.push(invalid(path, references.map(inGoOrder), detail))
  }
  return errors
}

function inGoOrder({ apiVersion, kind, name, uid, controller, blockOwnerDeletion }: OwnerReference): OwnerReference {
  return {
    apiVersion,
    kind,
    name,
    uid,
    ...(controller !== undefined && { controller }),
    ...(blockOwnerDeletion !== undefined && { blockOwnerDeletion }),
  }
}

const NO_DOMAIN = 'name is neither a standard finalizer name nor is it fully qualified'
const STANDARD_FINALIZERS = new Set(['kubernetes', 'orphan', 'foregroundDeletion'])

export function validateFinalizerName(name: string, path: string): FieldError[] {
  const errors = invalidAll(path, name, isQualifiedName(name))
  if (!name.includes('/') && !STANDARD_FINALIZERS.has(name)) {
    errors.push(invalid(path, name, NO_DOMAIN))
  }
  return errors
}

function validateFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  const errors = finalizers.flatMap((finalizer) => invalidAll(path, finalizer, isQualifiedName(finalizer)))
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'))
  }
  return errors
}

function validateManagedFields(entries: readonly ManagedFieldsEntry[], path: string): FieldError[] {
  return entries.flatMap((entry, i) => {
    const at = `${path}[${i}]`
    const errors: FieldError[] = []
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      errors.push(invalid(`${at}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`'))
    }
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1')
      errors.push(invalid(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'))
    errors.push(...validateFieldManager(entry.manager ?? '', `${at}.manager`))
    if (Buffer.byteLength(entry.subresource ?? '') > SUBRESOURCE_LIMIT_BYTES)
      errors.push(tooLong(`${at}.subresource`, SUBRESOURCE_LIMIT_BYTES))
    return errors
  })
}

export function validateFieldManager(manager: string, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (Buffer.byteLength(manager) > MANAGER_LIMIT_BYTES) errors.push(tooLong(path, MANAGER_LIMIT_BYTES))
  let at = 0
  for (const char of manager) {
    if (!PRINTABLE_RE.test(char)) {
      const code = (char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')
      errors.push(invalid(path, manager, `invalid character U+${code} (at position ${at})`))
    }
    at += Buffer.byteLength(char)
  }
  return errors
}

export function validateObjectMetaUpdate(next: ObjectMeta, old: ObjectMeta, path = 'metadata'): FieldError[] {
  const errors: FieldError[] = []
  const immutable = (field: keyof ObjectMeta, shown: unknown = next[field]): void => {
    if ((next[field] ?? '') !== (old[field] ?? '')) errors.push(invalid(`${path}.${field}`, shown ?? null, IMMUTABLE))
  }
  if (next.finalizers && old.deletionTimestamp) {
    const known = new Set(old.finalizers)
    const added = next.finalizers.filter((finalizer) => !known.has(finalizer))
    if (added.length > 0) {
      const list = added.map((finalizer) => quote(finalizer)).join(', ')
      errors.push(
        forbidden(
          `${path}.finalizers`,
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
        ),
      )
    }
  }
  if ((next.generation ?? 0) < (old.generation ?? 0)) {
    errors.push(invalid(`${path}.generation`, next.generation, `must not be decremented: was ${old.generation}`))
  }
  immutable('name')
  immutable('namespace')
  immutable('uid')
  immutable('deletionTimestamp')
  immutable('deletionGracePeriodSeconds')
  return [...errors, ...validateMetaFields(next, path)]
}
