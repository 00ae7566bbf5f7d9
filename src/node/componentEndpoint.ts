/** A component's own port, as kube-scheduler's and kube-controller-manager's: health for everybody, metrics for those whose certificate says that they may see them. */
import { createServer, type Server } from 'node:https'
import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { answerMetrics, answerNotFound, answerText } from '../client/metrics/answers.ts'
import type { ComponentMetrics } from '../client/metrics/componentMetrics.ts'

export interface ComponentEndpointOptions {
  host: string
  port: number
  tls: { cert: string; key: string }
  /** Authority of client certificates. */
  clientCa: string
}

const HEALTH_PATHS: readonly string[] = ['/healthz', '/livez', '/readyz']
/** Who may read metrics without a rule that says so (the bootstrap's system:monitoring, and administrators). */
const READERS: readonly string[] = ['system:masters', 'system:monitoring']

function mayRead(socket: TLSSocket): boolean {
  if (!socket.authorized) return false
  const groups = socket.getPeerCertificate().subject?.O as string | string[] | undefined
  return [groups ?? []].flat().some((group) => READERS.includes(group))
}

/** Answers once it listens; `metrics` is undefined while the component does not run here. */
export async function serveComponent(
  { host, port, tls, clientCa }: ComponentEndpointOptions,
  metrics: () => Pick<ComponentMetrics, 'registry'> | undefined,
): Promise<Server> {
  const server = createServer({ ...tls, ca: clientCa, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (HEALTH_PATHS.includes(path)) return answerText(response, 200, 'ok')
    if (path !== '/metrics') return answerNotFound(response)
    const socket = request.socket as TLSSocket
    if (!mayRead(socket)) return socket.authorized ? answerText(response, 403, 'Forbidden\n') : answerText(response, 401, 'Unauthorized\n')
    const registry = metrics()?.registry
    if (!registry) return answerText(response, 200, '')
    answerMetrics(response, registry)
  })
  server.listen(port, host)
  await once(server, 'listening')
  return server
}
