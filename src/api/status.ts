/**
 * The error vocabulary of the Kubernetes API (k8s.io/apimachinery/pkg/api/errors): one error class that holds a `Status`,
 * a constructor for each condition, a predicate for each reason. Clients and people match on these reasons and messages.
 */
import { quote } from './quote.ts'
import type { Status, StatusCause, StatusDetails } from './kinds/meta/v1.ts'

export type StatusReason =
  | 'AlreadyExists'
  | 'BadRequest'
  | 'Conflict'
  | 'Expired'
  | 'Forbidden'
  | 'Gone'
  | 'InternalError'
  | 'Invalid'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'NotFound'
  | 'RequestEntityTooLarge'
  | 'ServiceUnavailable'
  | 'Timeout'
  | 'TooManyRequests'
  | 'Unauthorized'
  | 'UnsupportedMediaType'
  | 'ServerTimeout'
  | 'StorageReadError'
  | ''

export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly status: Status

  constructor(status: Omit<Status, 'kind' | 'apiVersion' | 'metadata' | 'status'>, cause?: unknown) {
    super(status.message, { cause })
    this.status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', ...status }
  }

  get code(): number {
    return this.status.code ?? 500
  }

  get reason(): StatusReason {
    return (this.status.reason ?? '') as StatusReason
  }
}

export interface GroupResource {
  group: string
  resource: string
}

/** `deployments.apps`, `pods`. */
export function qualified({ group, resource }: GroupResource): string {
  return group ? `${resource}.${group}` : resource
}

function detailsOf({ group, resource }: GroupResource, name: string): StatusDetails {
  return { ...(name && { name }), ...(group && { group }), kind: resource }
}

export function newStatusError(code: number, reason: StatusReason, message: string, details?: StatusDetails): StatusError {
  return new StatusError({ message, ...(reason && { reason }), ...(details && { details }), code })
}

export function newNotFound(resource: GroupResource, name: string): StatusError {
  return newStatusError(404, 'NotFound', `${qualified(resource)} ${quote(name)} not found`, detailsOf(resource, name))
}

export function newAlreadyExists(resource: GroupResource, name: string): StatusError {
  return newStatusError(409, 'AlreadyExists', `${qualified(resource)} ${quote(name)} already exists`, detailsOf(resource, name))
}

export function newConflict(resource: GroupResource, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} ${quote(name)}: ${why}`
  return newStatusError(409, 'Conflict', message, detailsOf(resource, name))
}

export function newForbidden(resource: GroupResource, name: string, why: string): StatusError {
  const subject = name ? `${qualified(resource)} ${quote(name)} is forbidden` : `${qualified(resource)} is forbidden`
  return newStatusError(403, 'Forbidden', `${subject}: ${why}`, detailsOf(resource, name))
}

export function newBadRequest(message: string): StatusError {
  return newStatusError(400, 'BadRequest', message)
}

export function newUnauthorized(message = 'Unauthorized'): StatusError {
  return newStatusError(401, 'Unauthorized', message)
}

export function newInternalError(message: string): StatusError {
  return newStatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] })
}

export function newExpired(message: string): StatusError {
  return newStatusError(410, 'Expired', message)
}

export function newMethodNotAllowed(): StatusError {
  return newStatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})
}

export function newServiceUnavailable(message: string): StatusError {
  return newStatusError(503, 'ServiceUnavailable', message)
}

/** One failed rule of a field. `detail` is upstream's text after the colon; `value` is shown in the message. */
export interface FieldError {
  type:
    | 'FieldValueRequired'
    | 'InternalError'
    | 'FieldValueInvalid'
    | 'FieldValueDuplicate'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueNotFound'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
    | 'InternalError'
  /** Path such as `spec.containers[0].name`. */
  field: string
  /** The whole text after `field: `, e.g. `Invalid value: "A": must be lower case`. */
  message: string
}

/** All of them as one text: what is found twice is told once. */
export function aggregated(errors: readonly Pick<FieldError, 'field' | 'message'>[]): string {
  const texts = [...new Set(errors.map(({ field, message }) => (field ? `${field}: ${message}` : message)))]
  return texts.length === 1 ? (texts[0] as string) : `[${texts.join(', ')}]`
}

/** 422 with one cause for each field error, those found twice twice; `kind` is the Kind (not the resource). */
export function newInvalid(kind: { group: string; kind: string }, name: string, errors: readonly FieldError[]): StatusError {
  const subject = kind.group ? `${kind.kind}.${kind.group}` : kind.kind
  const causes: StatusCause[] = errors.map((e) => ({ reason: e.type, message: e.message, field: e.field }))
  return newStatusError(422, 'Invalid', `${subject} ${quote(name)} is invalid: ${aggregated(errors)}`, {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    ...(kind.kind && { kind: kind.kind }),
    causes,
  })
}

export function reasonOf(error: unknown): StatusReason {
  return error instanceof StatusError ? error.reason : ''
}

export const isNotFound = (error: unknown): boolean => reasonOf(error) === 'NotFound'
export const isAlreadyExists = (error: unknown): boolean => reasonOf(error) === 'AlreadyExists'
export const isConflict = (error: unknown): boolean => reasonOf(error) === 'Conflict'
export const isForbidden = (error: unknown): boolean => reasonOf(error) === 'Forbidden'
export const isInvalid = (error: unknown): boolean => reasonOf(error) === 'Invalid'
/** The watch or list position is no longer there: list again. */
export const isExpired = (error: unknown): boolean => reasonOf(error) === 'Expired' || reasonOf(error) === 'Gone'
