/** How a webhook's word becomes the answer to the client. */
import type { Status } from '../../../api/kinds/meta/v1.ts'
import { StatusError, newBadRequest, newInternalError } from '../../../api/status.ts'

/** The webhook could not be asked, or answered nonsense: failurePolicy decides what that means. */
export class WebhookFailure extends Error {
  override readonly name = 'WebhookFailure'
  /** What metrics show. */
  readonly code: number
  readonly canceled: boolean

  constructor(webhook: string, why: string, options: { code: number; canceled?: boolean; cause?: unknown }) {
    super(`failed calling webhook ${JSON.stringify(webhook)}: ${why}`, { cause: options.cause })
    this.code = options.code
    this.canceled = options.canceled ?? false
  }

  /** Where the webhook may not be left out. */
  get refusal(): StatusError {
    const refusal = newInternalError(this.message)
    refusal.cause = this
    return refusal
  }
}

/** The webhook says no. */
export class WebhookRejection extends Error {
  override readonly name = 'WebhookRejection'
  readonly status: StatusError

  constructor(status: StatusError) {
    super(status.message)
    this.status = status
  }
}

const MIN_FAILURE_CODE = 400

/** The Status that the webhook gave, made a refusal. */
export function newRejection(webhook: string, result: Partial<Status> = {}): WebhookRejection {
  const { code = 0, message, reason, details, metadata, status } = result
  const deniedBy = `admission webhook ${JSON.stringify(webhook)} denied the request`
  const why = message ? `: ${message}` : reason ? `: ${reason}` : ' without explanation'
  const refusal = new StatusError({
    message: `${deniedBy}${why}`,
    ...(reason && { reason }),
    ...(details && { details }),
    code: Math.max(code, MIN_FAILURE_CODE),
  })
  if (metadata) refusal.status.metadata = metadata
  if (status && status !== 'Success') refusal.status.status = status
  return new WebhookRejection(refusal)
}

export function newDryRunUnsupported(webhook: string): StatusError {
  return newBadRequest(`admission webhook ${JSON.stringify(webhook)} does not support dry run`)
}
