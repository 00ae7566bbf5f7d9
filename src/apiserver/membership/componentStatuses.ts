/**
 * ComponentStatuses, which kubectl still asks for: how the controller manager, the scheduler and the store are right now, asked at
 * the moment somebody wants to know. As upstream's, they look at this machine's own ports alone.
 */
import { get } from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { ComponentStatus } from '../../api/kinds/core/v1.ts'
import type { Draft, KubeObject } from '../../api/resource.ts'
import { SelectorError, matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector } from '../../api/selectors.ts'
import type { FieldTerm, LabelRequirement } from '../../api/selectors.ts'
import { newBadRequest, newNotFound } from '../../api/status.ts'
import type { ApiRequest, ApiResult, CachedObject } from '../request.ts'
import { textOf } from '../webhooks/callErrors.ts'

const PROBE_TIMEOUT_MS = 20_000
const PORTS = { 'controller-manager': 10_257, scheduler: 10_259 }
/** What else answers within a health check's answer is cut off. */
const MAX_BODY_BYTES = 10 * 1024

export interface Health {
  healthy: boolean
  message: string
  error?: string
}

type Check = (signal: AbortSignal) => Promise<Health>

async function askPort(port: number, signal: AbortSignal): Promise<Health> {
  const url = `https://127.0.0.1:${port}/healthz`
  try {
    // Only whether it is well is asked, and only of this machine: who it is does not matter.
    const request = get(url, {
      rejectUnauthorized: false,
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]),
    })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    let message = ''
    for await (const chunk of response) if (message.length < MAX_BODY_BYTES) message += String(chunk)
    const code = response.statusCode ?? 0
    return code >= 200 && code < 400
      ? { healthy: true, message }
      : { healthy: false, message: `HTTP probe failed with statuscode: ${code}` }
  } catch (error) {
    return { healthy: false, message: `Get "${url}": ${textOf(error as NodeJS.ErrnoException)}` }
  }
}

async function askStore(ask: () => Promise<unknown>): Promise<Health> {
  try {
    await ask()
    return { healthy: true, message: 'ok' }
  } catch (error) {
    return { healthy: false, message: '', error: error instanceof Error ? error.message : String(error) }
  }
}

function statusOf(name: string, { healthy, message, error }: Health): CachedObject {
  const condition = { type: 'Healthy', status: healthy ? 'True' : 'False', ...(message && { message }), ...(error && { error }) }
  const object: Draft<ComponentStatus> = { kind: 'ComponentStatus', apiVersion: 'v1', metadata: { name }, conditions: [condition] }
  return { object: object as KubeObject, json: Buffer.from(JSON.stringify(object)) }
}

const FIELDS = ['metadata.name', 'metadata.namespace']

/** Throws 400. */
function selectorsOf(query: URLSearchParams): { labels: LabelRequirement[]; fields: FieldTerm[] } {
  try {
    const labels = parseLabelSelector(query.get('labelSelector') ?? '')
    const fields = parseFieldSelector(query.get('fieldSelector') ?? '').filter(({ field, value }) => field !== '' || value !== '')
    const unknown = fields.find(({ field }) => !FIELDS.includes(field))
    if (unknown) {
      const known = FIELDS.map((field) => JSON.stringify(field)).join(', ')
      throw new SelectorError(`${JSON.stringify(unknown.field)} is not a known field selector: only ${known}`)
    }
    return { labels, fields }
  } catch (error) {
    throw error instanceof SelectorError ? newBadRequest(error.message) : error
  }
}

const fieldOf = ({ metadata }: KubeObject, field: string): string => (field === 'metadata.name' ? metadata.name : '')

/** By `group/resource`, as the registry takes resources without storage. */
export function componentStatuses(store: (() => Promise<unknown>) | undefined): [string, (request: ApiRequest) => Promise<ApiResult>][] {
  const checks: ReadonlyMap<string, Check> = new Map<string, Check>([
    ...Object.entries(PORTS).map(([name, port]): [string, Check] => [name, (signal) => askPort(port, signal)]),
    ...(store ? [['etcd-0', () => askStore(store)] as [string, Check]] : []),
  ])
  const one = async (name: string, check: Check, signal: AbortSignal): Promise<CachedObject> => statusOf(name, await check(signal))
  const list = async ({ query, signal }: ApiRequest): Promise<ApiResult> => {
    const { labels, fields } = selectorsOf(query)
    const all = await Promise.all([...checks].map(([name, check]) => one(name, check, signal)))
    const items = all.filter(
      ({ object }) => matchesLabels(labels, object.metadata.labels) && matchesFields(fields, (field) => fieldOf(object, field)),
    )
    return { type: 'list', kind: 'ComponentStatusList', apiVersion: 'v1', metadata: { resourceVersion: '' }, items }
  }
  return [
    [
      '/componentstatuses',
      async (request) => {
        if (request.verb === 'list') return list(request)
        const check = checks.get(request.name)
        if (!check) throw newNotFound({ group: '', resource: 'componentstatus' }, request.name)
        return { type: 'object', code: 200, object: (await one(request.name, check, request.signal)).object }
      },
    ],
  ]
}
