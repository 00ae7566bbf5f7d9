/** etcd's refusals (api/v3/v3rpc/rpctypes/error.go) as the store's errors. */
import { StoreUnavailableError } from '../store.ts'
import { etcdMessage } from './connection.ts'

export const COMPACTED = 'required revision has been compacted'
export const FUTURE = 'required revision is a future revision'
/** The caller's fault: trying again does not help. */
const REFUSALS = ['request is too large', 'too many operations in txn request']

export function says(error: unknown, what: string): boolean {
  return etcdMessage(error).includes(what)
}

export function translateEtcdError(error: unknown): Error {
  if (error instanceof StoreUnavailableError) return error
  const message = etcdMessage(error)
  if (REFUSALS.some((refusal) => message.includes(refusal))) return new Error(message, { cause: error })
  return new StoreUnavailableError(message, { cause: error })
}
