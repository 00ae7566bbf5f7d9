/** What upstream's REST client makes of answers that are no success or no JSON. */
import type { IncomingHttpHeaders } from 'node:http'
import { StatusError, newStatusError } from '../../api/status.ts'
import type { StatusReason } from '../../api/status.ts'
import { parseJson } from '../../api/codec/json.ts'
import type { JsonSyntaxError } from '../../api/codec/json.ts'
import { isJsonObject } from '../cache/json.ts'
import { WebhookCallError } from './callErrors.ts'

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

export function answerFailure(code: number, headers: IncomingHttpHeaders, body: Buffer): WebhookCallError {
  const status = sentStatus(body) ?? genericFailure(code, headers, body)
  return new WebhookCallError('call', status.message, { status })
}

/** A Status that the server answered, if it did. */
function sentStatus(body: Buffer): StatusError | undefined {
  try {
    const { value } = parseJson(body)
    if (!isJsonObject(value) || value['kind'] !== 'Status' || value['status'] === 'Success') return undefined
    const { message, reason, code } = value
    return new StatusError({ message: String(message ?? ''), reason: String(reason ?? ''), code: Number(code) || 500 })
  } catch {
    return undefined
  }
}

function genericFailure(code: number, headers: IncomingHttpHeaders, body: Buffer): StatusError {
  const isText = (headers['content-type'] ?? '').startsWith('text/')
  const said = isText ? body.subarray(0, MAX_SHOWN_BYTES).toString().trim() : 'unknown'
  const own = OWN_TEXT[code]
  if (own) return newStatusError(code, own, said)
  const known = KNOWN[code]
  if (known) return newStatusError(code, ...known)
  if (code >= 500) {
    return newStatusError(
      code,
      'InternalError',
      `an error on the server (${JSON.stringify(said)}) has prevented the request from succeeding`,
    )
  }
  return newStatusError(code, '', `the server responded with the status code ${code} but did not return more information`)
}

export function jsonFailure(error: JsonSyntaxError): WebhookCallError {
  return new WebhookCallError('call', `couldn't get version/kind; json parse error: ${error.message}`, { cause: error })
}
