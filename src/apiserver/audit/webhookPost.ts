/** Posts JSON to a server that a kubeconfig leads to: batches of audit events to whoever wants them, reviews to who decides. */
import { request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { WebhookEndpoint } from './webhookEndpoint.ts'

const { request: httpRequest } = process.getBuiltinModule('node:http')
const ANSWER_SHOWN_BYTES = 1024
const ANSWER_BYTES_MAX = 1024 * 1024

/** Rejects where the server cannot be reached or answers with anything but a success; redirects are none. */
export async function postEvents(endpoint: WebhookEndpoint, body: Buffer, signal: AbortSignal): Promise<void> {
  const { status, text } = await postJson(endpoint, 'kube-apiserver-audit', body, signal)
  if (status < 200 || status > 299) throw new Error(`the audit webhook answered ${status}: ${text.slice(0, ANSWER_SHOWN_BYTES).trim()}`)
}

/** Rejects where the server cannot be reached, or answers without end. */
export async function postJson(
  endpoint: WebhookEndpoint,
  userAgent: string,
  body: Buffer,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
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
    'user-agent': userAgent,
    ...(authorization && { authorization }),
  }
  const send = secure ? httpsRequest : httpRequest
  const response = await new Promise<IncomingMessage>((answered, failed) => {
    const request = send(url, { method: 'POST', headers, signal, ...(secure && tls) })
    request.once('response', answered).on('error', failed).end(body)
  })
  let text = ''
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text = (text + chunk).slice(0, ANSWER_BYTES_MAX)
  return { status: response.statusCode ?? 0, text }
}
