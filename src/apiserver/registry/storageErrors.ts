/** Storage errors as API statuses, in one place. */
import { newAlreadyExists, newConflict, newExpired, newServiceUnavailable, newStatusError } from '../../api/status.ts'
import { CompactedError, FutureRevisionError, KeyExistsError, RevisionMismatchError, StoreUnavailableError } from '../../storage/store.ts'
import type { GroupResource, StatusError } from '../../api/status.ts'

export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again'

export function newModified(resource: GroupResource, name: string): StatusError {
  return newConflict(resource, name, MODIFIED)
}

export function newTooLargeResourceVersion(asked: number, current: number): StatusError {
  return newStatusError(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}

export function translateStorageError(error: unknown, resource: GroupResource, name: string): unknown {
  if (error instanceof KeyExistsError) return newAlreadyExists(resource, name)
  if (error instanceof RevisionMismatchError) return newModified(resource, name)
  if (error instanceof CompactedError) {
    return newExpired(
      'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
    )
  }
  if (error instanceof FutureRevisionError) return newTooLargeResourceVersion(0, error.current)
  if (error instanceof StoreUnavailableError) return newServiceUnavailable(`the store cannot be written: ${error.message}`)
  return error
}

export function otherUid(asked: string, found: string): string {
  return `Precondition failed: UID in precondition: ${asked}, UID in object meta: ${found}`
}

export function otherRevision(asked: string, found: string): string {
  return `Precondition failed: ResourceVersion in precondition: ${asked}, ResourceVersion in object meta: ${found}`
}

/** What a client said of the object that is to be written does not hold. */
export function newUnmet(resource: GroupResource, name: string, key: string, why: string): StatusError {
  return newConflict(resource, name, `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`)
}
