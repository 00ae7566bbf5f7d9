/** Hands a batch of audit events to the server that wants them. */
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { WebhookEndpoint } from './webhookEndpoint.ts'

const { request: httpRequest } = process.getBuiltinModule('node:http')
const ANSWER_SHOWN_BYTES = 1024

/** Rejects where the server cannot be reached or answers with anything but a success; redirects are none. */
export async function postEvents(endpoint: WebhookEndpoint, body: Buffer, signal: AbortSignal): Promise<void> {
  const { url, ca, cert, key, authorization, serverName, insecure } = endpoint
  const secure = url.startsWith('https:')
  const tls = {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(serverName && { servername: serverName }),
    rejectUnauthorized: !insecure,
  }
  const headers = {
    accept: 'application/json, */*',
    'content-type': 'application/json',
    'content-length': body.length,
    'user-agent': 'kube-apiserver-audit',
    ...(authorization && { authorization }),
  }
  const send = secure ? httpsRequest : httpRequest
  const response = await new Promise<IncomingMessage>((answered, failed) => {
    const request = send(url, { method: 'POST', headers, signal, ...(secure && tls) })
    request.once('response', answered).on('error', failed).end(body)
  })
  let shown = ''
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) shown = (shown + chunk).slice(0, ANSWER_SHOWN_BYTES)
  const status = response.statusCode ?? 0
  if (status < 200 || status > 299) throw new Error(`the audit webhook answered ${status}: ${shown.trim()}`)
}
