/** What upstream's REST client makes of answers that are no success or no JSON. */
import type { IncomingHttpHeaders } from 'node:http'
import type { TypeMeta } from '../../api/codec/json.ts'
import { quote } from '../../api/quote.ts'
import type { JsonObject } from '../../api/resource.ts'
import { StatusError, newStatusError } from '../../api/status.ts'
import type { StatusReason } from '../../api/status.ts'
import { WebhookCallError } from './callErrors.ts'
import { ReviewError, decodeReview, failureStatusOf } from './reviewCodec.ts'

export interface Answer {
  code: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** How much of an answer is repeated in an error. */
const MAX_SHOWN_BYTES = 2_048

type Known = [reason: StatusReason, text: string]

const KNOWN: Readonly<Record<number, Known>> = {
  400: ['BadRequest', 'the server rejected our request for an unknown reason'],
  401: ['Unauthorized', 'the server has asked for the client to provide credentials'],
  404: ['NotFound', 'the server could not find the requested resource'],
  405: ['MethodNotAllowed', 'the server does not allow this method on the requested resource'],
  409: ['AlreadyExists', 'the server reported a conflict'],
  415: ['UnsupportedMediaType', 'unknown'],
  422: ['Invalid', 'the server rejected our request due to an error in our request'],
  429: ['TooManyRequests', 'the server has received too many requests and has asked us to try again later'],
  503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
  504: ['Timeout', 'the server was unable to return a response in the time allotted, but may still be processing the request'],
}
/** Of these the server's own text is the message. */
const OWN_TEXT: Readonly<Record<number, StatusReason>> = { 403: 'Forbidden', 406: 'NotAcceptable', 415: 'UnsupportedMediaType' }

/** The review that was answered, of the kind that was sent. Throws WebhookCallError. */
export function reviewOf({ code, headers, body }: Answer, sent: TypeMeta): JsonObject {
  const contentType = headers['content-type'] || 'application/json'
  const why = mediaTypeError(contentType)
  if (why) throw new WebhookCallError('call', `Internal error occurred: ${why}`)
  if (code < 200 || code > 206) throw answerFailure(code, headers, body)
  if (body.length === 0) throw new WebhookCallError('call', `0-length response with status code: ${code} and content type: ${contentType}`)
  try {
    return decodeReview(body, sent)
  } catch (error) {
    if (error instanceof ReviewError) throw new WebhookCallError('call', error.message, { cause: error })
    throw error
  }
}

/** What Go's mime package says of it. */
function mediaTypeError(contentType: string): string | undefined {
  const [, type = '', rest = ''] = /^\s*([^\s/;()<>@,\\":[\]?=]*)([^;]*)/.exec(contentType) ?? []
  if (type === '') return 'mime: no media type'
  if (rest.trim() === '') return undefined
  if (!rest.startsWith('/')) return 'mime: expected slash after first token'
  const [, subtype = '', more = ''] = /^\/([^\s/;()<>@,\\":[\]?=]*)(.*)$/.exec(rest.trim()) ?? []
  if (subtype === '') return 'mime: expected token after slash'
  return more === '' ? undefined : 'mime: unexpected content after media subtype'
}

/** How long the server asks to wait before the same is sent again. */
export function retryAfterSeconds({ code, headers }: Answer): number | undefined {
  if (code !== 429 && code < 500) return undefined
  const seconds = headers['retry-after'] ?? ''
  return /^[-+]?\d+$/.test(seconds) ? Number(seconds) : undefined
}

function answerFailure(code: number, headers: IncomingHttpHeaders, body: Buffer): WebhookCallError {
  const said = failureStatusOf(body)
  const status = said
    ? new StatusError({
        message: String(said['message'] ?? ''),
        reason: String(said['reason'] ?? ''),
        code: Number(said['code']) || 500,
      })
    : genericFailure(code, headers, body)
  return new WebhookCallError('call', status.message, { status })
}

function genericFailure(code: number, headers: IncomingHttpHeaders, body: Buffer): StatusError {
  const isText = (headers['content-type'] || 'text/plain').toLowerCase().startsWith('text/')
  const said = isText ? body.subarray(0, MAX_SHOWN_BYTES).toString().trim() : 'unknown'
  if (code === 406 && (said === '' || said === 'unknown'))
    return newStatusError(code, 'NotAcceptable', 'the server was unable to respond with a content type that the client supports')
  const own = OWN_TEXT[code]
  if (own) return newStatusError(code, own, said)
  const known = KNOWN[code]
  if (known) return newStatusError(code, ...known)
  if (code >= 500) {
    return newStatusError(code, 'InternalError', `an error on the server (${quote(said)}) has prevented the request from succeeding`)
  }
  return newStatusError(code, '', `the server responded with the status code ${code} but did not return more information`)
}
