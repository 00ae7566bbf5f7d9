/** The options of each verb (metav1.CreateOptions, …): from the query and, for deletes, the body; refused as upstream refuses them. */
import { notSupported, notSupportedText } from '../../api/validation/fieldErrors.ts'
import { newBadRequest, newInvalid, newStatusError } from '../../api/status.ts'
import { validateFieldManager } from '../../api/validation/objectMeta.ts'
import { isJsonObject } from '../cache/json.ts'
import { parseRevision } from './continueToken.ts'
import type { FieldError } from '../../api/status.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { ApiRequest } from '../request.ts'

export interface WriteOptions {
  dryRun: boolean
  /** The given field manager, or the user agent up to its first `/`. */
  manager: string
  fieldValidation: '' | 'Ignore' | 'Strict' | 'Warn'
}

export interface PatchOptions extends WriteOptions {
  force: boolean
}

export type PropagationPolicy = 'Foreground' | 'Background' | 'Orphan'

export interface DeleteOptions {
  dryRun: boolean
  gracePeriodSeconds?: number
  propagationPolicy?: PropagationPolicy
  orphanDependents?: boolean
  preconditions: { uid?: string; resourceVersion?: string }
}

const LONGEST_MANAGER = 128
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\0-\x7f]*$/

/** What strconv says of a text that is no number, or too large a one. */
export function goParseError(fn: 'ParseInt' | 'ParseUint', text: string): string {
  const why = (fn === 'ParseInt' ? /^[+-]?\d+$/ : /^\d+$/).test(text) ? 'value out of range' : 'invalid syntax'
  return `strconv.${fn}: parsing ${JSON.stringify(text)}: ${why}`
}

function throwInvalidOptions(kind: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw newInvalid({ group: 'meta.k8s.io', kind }, '', errors)
}

/** Why Go takes the text for no int64; undefined where it takes it. */
export function integerTrouble(text: string): string | undefined {
  const isInteger = /^[+-]?\d+$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text)
  return isInteger ? undefined : goParseError('ParseInt', text)
}

export function parseInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const trouble = integerTrouble(text)
  if (trouble) throw newBadRequest(trouble)
  return Number(text)
}

/** Anything but `false` and `0` is true, as in apimachinery's conversion of query strings. */
export function parseBoolean(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name)
  return text === null ? undefined : !['false', '0'].includes(text.toLowerCase())
}

function dryRunErrors(values: readonly unknown[]): FieldError[] {
  return values.every((value) => value === 'All') ? [] : [notSupported('dryRun', values, ['All'])]
}

function parseWriteOptions(request: ApiRequest, kind: string, moreErrors: readonly FieldError[] = []): WriteOptions {
  const { query } = request
  const dryRun = query.getAll('dryRun')
  const given = query.get('fieldManager') ?? ''
  const fieldValidation = query.get('fieldValidation') ?? ''
  const validationErrors = ['', 'Ignore', 'Strict', 'Warn'].includes(fieldValidation)
    ? []
    : [notSupportedText('fieldValidation', fieldValidation, ['', 'Ignore', 'Strict', 'Warn'])]
  throwInvalidOptions(kind, [
    ...moreErrors.filter((e) => e.field === 'force'),
    ...validateFieldManager(given, 'fieldManager'),
    ...moreErrors.filter((e) => e.field !== 'force'),
    ...dryRunErrors(dryRun),
    ...validationErrors,
  ])
  return {
    dryRun: dryRun.length > 0,
    manager: given || defaultManager(request.userAgent),
    fieldValidation: fieldValidation as WriteOptions['fieldValidation'],
  }
}

function defaultManager(userAgent: string): string {
  const text = ASCII.test(userAgent) ? userAgent : Buffer.from(userAgent, 'latin1').toString()
  const slash = text.indexOf('/')
  return text.slice(0, slash < 0 ? LONGEST_MANAGER : Math.min(slash, LONGEST_MANAGER)) || 'unknown'
}

export const parseCreateOptions = (request: ApiRequest): WriteOptions => parseWriteOptions(request, 'CreateOptions')
export const parseUpdateOptions = (request: ApiRequest): WriteOptions => parseWriteOptions(request, 'UpdateOptions')

/** Throws what create or update would. */
export function checkWriteOptions(request: ApiRequest): void {
  parseWriteOptions(request, request.verb === 'create' ? 'CreateOptions' : 'UpdateOptions')
}

export function parsePatchOptions(request: ApiRequest): PatchOptions {
  const isApply = request.patch?.type.startsWith('application/apply-patch') ?? false
  const force = parseBoolean(request.query, 'force')
  const errors: FieldError[] = []
  if (isApply && !request.query.get('fieldManager')) {
    errors.push({ type: 'FieldValueRequired', field: 'fieldManager', message: 'Required value: is required for apply patch' })
  }
  if (!isApply && force !== undefined) {
    errors.push({ type: 'FieldValueForbidden', field: 'force', message: 'Forbidden: may not be specified for non-apply patch' })
  }
  return { ...parseWriteOptions(request, 'PatchOptions', errors), force: force ?? false }
}

export function deleteOptionsOfQuery(query: URLSearchParams): JsonObject {
  const options: JsonObject = {}
  const grace = parseInteger(query, 'gracePeriodSeconds')
  if (grace !== undefined) options['gracePeriodSeconds'] = grace
  const propagation = query.get('propagationPolicy')
  if (propagation !== null) options['propagationPolicy'] = propagation
  const orphan = parseBoolean(query, 'orphanDependents')
  if (orphan !== undefined) options['orphanDependents'] = orphan
  const dryRun = query.getAll('dryRun')
  if (dryRun.length > 0) options['dryRun'] = dryRun
  const preconditions: JsonObject = {}
  for (const name of ['uid', 'resourceVersion']) {
    const value = query.get(name)
    if (value !== null) preconditions[name] = value
  }
  if (Object.keys(preconditions).length > 0) options['preconditions'] = preconditions
  return options
}

/** Throws 422 for options that do not fit together, or are none. */
export function checkDeleteOptions({
  dryRun,
  propagationPolicy,
  orphanDependents,
}: {
  dryRun?: unknown
  propagationPolicy?: unknown
  orphanDependents?: unknown
}): void {
  const propagation = propagationPolicy ?? undefined
  const orphan = orphanDependents ?? undefined
  const errors: FieldError[] = []
  if (propagation !== undefined && orphan !== undefined) {
    const message = `Invalid value: ${JSON.stringify(propagation)}: orphanDependents and deletionPropagation cannot be both set`
    errors.push({ type: 'FieldValueInvalid', field: 'propagationPolicy', message })
  }
  if (propagation !== undefined && !['Foreground', 'Background', 'Orphan'].includes(propagation as string)) {
    errors.push(notSupported('propagationPolicy', propagation, ['Foreground', 'Background', 'Orphan', 'nil']))
  }
  errors.push(...dryRunErrors(Array.isArray(dryRun) ? dryRun : []))
  throwInvalidOptions('DeleteOptions', errors)
}

/** The body's options win as a whole over the query's. */
export function parseDeleteOptions(request: ApiRequest): DeleteOptions {
  const body = request.body && Object.keys(request.body).length > 0 ? request.body : undefined
  const given = body ?? deleteOptionsOfQuery(request.query)
  checkDeleteOptions(given)
  const dryRun = Array.isArray(given['dryRun']) ? given['dryRun'] : []
  const { propagationPolicy: propagation, orphanDependents: orphan } = given
  const preconditions = isJsonObject(given['preconditions']) ? given['preconditions'] : {}
  const grace = given['gracePeriodSeconds']
  return {
    dryRun: dryRun.length > 0,
    ...(typeof grace === 'number' && { gracePeriodSeconds: grace }),
    ...(typeof propagation === 'string' && { propagationPolicy: propagation as PropagationPolicy }),
    ...(typeof orphan === 'boolean' && { orphanDependents: orphan }),
    preconditions: {
      ...(typeof preconditions['uid'] === 'string' && { uid: preconditions['uid'] }),
      ...(typeof preconditions['resourceVersion'] === 'string' && { resourceVersion: preconditions['resourceVersion'] }),
    },
  }
}

export interface ListOptions {
  labelSelector: string
  fieldSelector: string
  /** 0 is no limit. */
  limit: number
  continue: string
  /** '' asks for the newest state. */
  resourceVersion: string
  resourceVersionMatch: '' | 'Exact' | 'NotOlderThan'
  timeoutSeconds?: number
  allowWatchBookmarks: boolean
  sendInitialEvents?: boolean
}

function versionMatchErrors(options: ListOptions, isWatch: boolean): FieldError[] {
  const { resourceVersion, resourceVersionMatch: match } = options
  const forbidden = (field: string, why: string): FieldError => ({ type: 'FieldValueForbidden', field, message: `Forbidden: ${why}` })
  const field = 'resourceVersionMatch'
  const errors: FieldError[] = []
  if (isWatch) {
    if (options.sendInitialEvents === undefined) {
      if (match) errors.push(forbidden(field, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'))
    } else if (match !== 'NotOlderThan') {
      errors.push(forbidden(field, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'))
    }
    if (match && match !== 'NotOlderThan') errors.push(notSupported(field, match, ['NotOlderThan']))
    if (options.continue) errors.push(forbidden(field, 'resourceVersionMatch is forbidden when continue is provided'))
    return errors
  }
  const events = options.sendInitialEvents === undefined ? [] : [forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list')]
  if (!match) return events
  if (!resourceVersion) errors.push(forbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided'))
  if (options.continue) errors.push(forbidden(field, 'resourceVersionMatch is forbidden when continue is provided'))
  if (match !== 'Exact' && match !== 'NotOlderThan') errors.push(notSupported(field, match, ['Exact', 'NotOlderThan', '']))
  if (match === 'Exact' && resourceVersion === '0') {
    errors.push(forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
  }
  return [...errors, ...events]
}

export function parseListOptions(query: URLSearchParams, isWatch: boolean): ListOptions {
  const timeoutSeconds = parseInteger(query, 'timeoutSeconds')
  const sendInitialEvents = parseBoolean(query, 'sendInitialEvents')
  const options: ListOptions = {
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    limit: Math.max(0, parseInteger(query, 'limit') ?? 0),
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: (query.get('resourceVersionMatch') ?? '') as ListOptions['resourceVersionMatch'],
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    allowWatchBookmarks: parseBoolean(query, 'allowWatchBookmarks') ?? false,
    ...(sendInitialEvents !== undefined && { sendInitialEvents }),
  }
  throwInvalidOptions('ListOptions', versionMatchErrors(options, isWatch))
  return options
}

/** The resourceVersion of an object that is to be written; 0 where there is none. */
export function sentRevision(text: string | undefined): number {
  const revision = parseRevision(text || '0')
  if (revision === undefined) throw newStatusError(500, '', goParseError('ParseUint', text ?? ''))
  return revision
}

export function invalidResourceVersion(text: string): string {
  return `resourceVersion: Invalid value: ${JSON.stringify(text)}: ${goParseError('ParseUint', text)}`
}
