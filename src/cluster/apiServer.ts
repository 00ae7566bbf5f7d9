/** Plain GETs to a cluster's API server from the host, for what must be quick: is it there, and how is its node. */
import https from 'node:https'
import { bodyOf } from './bodyOf.ts'
import type { Credentials } from './credentials.ts'

export interface ApiAnswer {
  statusCode: number
  body: string
}

const BODY_LIMIT_BYTES = 32 << 20

export function apiGet(credentials: Credentials, path: string, signal: AbortSignal): Promise<ApiAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>()
  const { server, ca, cert, key } = credentials
  const request = https.get(
    `${server}${path}`,
    { ca, cert, key, signal, agent: false, headers: { accept: 'application/json' } },
    (response) =>
      void bodyOf(response, BODY_LIMIT_BYTES, `the API server's answer to ${path} is too large`)
        .then((body) => ({ statusCode: response.statusCode ?? 0, body }))
        .then(resolve, reject),
  )
  request.on('error', reject)
  return promise
}

const READY_TIMEOUT_MS = 3_000

export async function isApiReady(credentials: Credentials, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await apiGet(credentials, '/readyz', AbortSignal.any([signal, AbortSignal.timeout(READY_TIMEOUT_MS)]))
    return answer.statusCode === 200
  } catch {
    signal.throwIfAborted()
    return false
  }
}

/** Whether the node's kubelet says that the node is Ready. */
export async function isNodeReady(credentials: Credentials, node: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { statusCode, body } = await apiGet(
      credentials,
      `/api/v1/nodes/${node}`,
      AbortSignal.any([signal, AbortSignal.timeout(READY_TIMEOUT_MS)]),
    )
    if (statusCode !== 200) return false
    const { status } = JSON.parse(body) as { status?: { conditions?: { type: string; status: string }[] } }
    return status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
  } catch {
    signal.throwIfAborted()
    return false
  }
}
