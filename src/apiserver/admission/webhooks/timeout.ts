import { newStatusError } from '../../../api/status.ts'
import type { StatusError } from '../../../api/status.ts'

/** The whole request ran out of time while webhooks were asked. */
export function newRequestTimeout(): StatusError {
  return newStatusError(504, 'Timeout', 'Timeout: request did not complete within requested timeout', {})
}
