/** What tests of admission share: an API server, and requests to it as JSON. */
import type { ClientHttp2Session } from 'node:http2'
import { ask, startTestServer } from '../../src/apiserver/testServer.ts'
import type { TestApiServer } from '../../src/apiserver/testServer.ts'

export interface Reply {
  code: number
  body: {
    [field: string]: unknown
    message?: string
    data?: Record<string, string>
    metadata?: { labels?: object; annotations?: object }
    spec?: Record<string, unknown>
  }
  warnings: string[]
}

export interface AdmissionServer {
  api: TestApiServer
  session: ClientHttp2Session
  send(method: string, path: string, body?: object, type?: string): Promise<Reply>
}

export const ADMISSION = '/apis/admissionregistration.k8s.io/v1'
export const MAPS = '/api/v1/namespaces/default/configmaps'

export const configMap = (name: string, data: Record<string, string> = {}, labels: object = {}): object => ({
  metadata: { name, labels },
  data,
})

export async function startAdmissionServer(): Promise<AdmissionServer> {
  const api = await startTestServer()
  const session = api.session(api.admin)
  return {
    api,
    session,
    async send(method, path, body, type) {
      const {
        status,
        headers,
        body: text,
      } = await ask(session, method, path, {
        ...(body && { body: JSON.stringify(body) }),
        ...(type && { headers: { 'content-type': type } }),
      })
      const warning = headers['warning']
      return { code: status, body: JSON.parse(text), warnings: warning === undefined ? [] : [warning].flat() }
    },
  }
}
