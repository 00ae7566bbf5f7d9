/** A real HTTPS server of admission webhooks on this machine, for tests: each path is a handler. */
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TestAuthority } from '../../src/apiserver/testServer.ts'

export interface ReviewRequest {
  uid: string
  kind: { group: string; version: string; kind: string }
  resource: { group: string; version: string; resource: string }
  requestKind: { group: string; version: string; kind: string }
  requestResource: { group: string; version: string; resource: string }
  subResource?: string
  name?: string
  namespace?: string
  operation: string
  userInfo: { username: string; groups?: string[]; uid?: string; extra?: Record<string, string[]> }
  object: TestObject | null
  oldObject: TestObject | null
  dryRun: boolean
  options: Record<string, unknown> | null
}

export interface TestObject {
  apiVersion: string
  kind: string
  metadata?: { name?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  data?: Record<string, string>
  spec?: Record<string, unknown>
}

export type Answer = Record<string, unknown> | ((response: ServerResponse, request: IncomingMessage) => void)

export interface WebhookServer {
  port: number
  caBundle: string
  /** Reviews as they came, with their paths. */
  readonly seen: { path: string; apiVersion: string; request: ReviewRequest }[]
  /** What the path answers: the members of the response beside uid, or anything at all. */
  on(path: string, answer: (request: ReviewRequest) => Answer): void
  stop(): void
}

export function patchOf(operations: readonly object[]): Record<string, unknown> {
  return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }
}

export async function startWebhookServer(): Promise<WebhookServer> {
  const authority = await TestAuthority.create('webhooks')
  const pem = await authority.issue('CN=webhook', { server: true, names: ['webhook.default.svc'] })
  const answers = new Map<string, (request: ReviewRequest) => Answer>()
  const seen: WebhookServer['seen'] = []
  const server = createServer(pem, (message, response) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => {
      const path = (message.url ?? '').split('?')[0] ?? ''
      const review = JSON.parse(Buffer.concat(chunks).toString()) as { apiVersion: string; request: ReviewRequest }
      seen.push({ path, apiVersion: review.apiVersion, request: review.request })
      const answer = answers.get(path)?.(review.request) ?? { allowed: true }
      if (typeof answer === 'function') answer(response, message)
      else {
        const body = { kind: 'AdmissionReview', apiVersion: review.apiVersion, response: { uid: review.request.uid, ...answer } }
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    caBundle: Buffer.from(authority.cert).toString('base64'),
    seen,
    on: (path, answer) => void answers.set(path, answer),
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}
