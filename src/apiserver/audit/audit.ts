/**
 * Audit: who asked for what, and what came of it, as events of audit.k8s.io/v1 by the policy's levels and stages
 * (k8s.io/apiserver/pkg/audit). Credentials are never part of an event, nor are the tokens that requests ask for or show.
 */
import { randomUUID } from 'node:crypto'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { Status } from '../../api/kinds/meta/v1.ts'
import { newInternalError, StatusError } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import { defaultObject } from '../registry/schema.ts'
import type { ApiRequest, ApiResult, RequestAttributes, UserInfo } from '../request.ts'
import { auditConfigOf } from './policy.ts'
import type { AuditConfig, AuditPolicy, Level, Stage } from './policy.ts'

export interface AuditedRequest {
  id: string
  uri: string
  sourceIps: readonly string[]
  userAgent: string
  receivedMs: number
  longRunning: boolean
}

/** Where events go, each as its JSON; what cannot be taken is counted as lost. */
export interface AuditSink {
  /** Upstream's name of the backend. */
  readonly plugin: 'log' | 'webhook'
  readonly written: number
  readonly lost: number
  write(json: string): void
  /** Resolves when all is where it belongs, or is given up. */
  close(): Promise<void>
}

/** What every event's JSON begins with. */
export const EVENT_HEAD = '{"kind":"Event","apiVersion":"audit.k8s.io/v1",'

const IN_PROCESS = ['127.0.0.1']
const LONGEST_USER_AGENT = 1024
const TRUNCATED = '...TRUNCATED'
const RANK: Readonly<Record<Level, number>> = { None: 0, Metadata: 1, Request: 2, RequestResponse: 3 }

/** metav1.MicroTime. */
function microTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/(\.\d{3})Z$/, '$1000Z')
}

function userOf({ name, uid, groups, extra }: UserInfo): object {
  return {
    ...(name && { username: name }),
    ...(uid && { uid }),
    ...(groups.length > 0 && { groups }),
    ...(Object.keys(extra).length > 0 && { extra }),
  }
}

function withoutManagedFields(object: JsonObject): JsonObject {
  const { metadata, items, rows } = object
  const bare = (value: JsonObject): JsonObject => {
    if (typeof value['metadata'] !== 'object' || value['metadata'] === null) return value
    const { managedFields: _dropped, ...rest } = value['metadata'] as JsonObject
    return { ...value, metadata: rest }
  }
  return {
    ...object,
    ...(metadata !== undefined && { metadata: bare(object)['metadata'] ?? {} }),
    ...(Array.isArray(items) && { items: items.map((item) => bare(item as JsonObject)) }),
    ...(Array.isArray(rows) && {
      rows: (rows as JsonObject[]).map((row) => (row['object'] ? { ...row, object: bare(row['object'] as JsonObject) } : row)),
    }),
  }
}

/** `JTI=…` of the token that a TokenRequest answers. */
function credentialIdOf(token: unknown): string | undefined {
  const payload = typeof token === 'string' ? token.split('.')[1] : undefined
  if (!payload) return undefined
  const { jti } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { jti?: string }
  return jti && `JTI=${jti}`
}

/** TokenReviews show a token, TokenRequests answer one. */
function withoutTokens(object: JsonObject): JsonObject {
  const part = object['kind'] === 'TokenReview' ? 'spec' : object['kind'] === 'TokenRequest' ? 'status' : undefined
  const holder = part && (object[part] as JsonObject | undefined)
  if (!part || !holder || holder['token'] === undefined) return object
  const { token: _dropped, ...rest } = holder
  return { ...object, [part]: rest }
}

/** One request on its way. */
export class AuditEntry {
  readonly #config: AuditConfig
  readonly #request: AuditedRequest
  readonly #write: (event: object) => void
  readonly #clock: Clock
  readonly #event: Record<string, unknown>
  readonly #objectRef: Record<string, unknown> | undefined
  readonly #annotations: Record<string, string> = {}
  #status: object | undefined
  readonly #isRefused: boolean
  #started = false

  constructor(options: {
    config: AuditConfig
    request: AuditedRequest
    attributes: RequestAttributes
    write: (event: object) => void
    clock: Clock
    /** Nobody was let in with what they showed. */
    isRefused: boolean
  }) {
    const { config, request, attributes, write, clock, isRefused } = options
    this.#config = config
    this.#request = request
    this.#write = write
    this.#isRefused = isRefused
    this.#clock = clock
    const { resource, namespace, name, group, version, subresource, verb, user } = attributes
    if (attributes.path === '') {
      this.#objectRef = {
        resource,
        ...(namespace && { namespace }),
        ...(name && { name }),
        ...(group && { apiGroup: group }),
        ...(version && { apiVersion: version }),
        ...(subresource && { subresource }),
      }
    }
    const { userAgent } = request
    this.#event = {
      requestURI: request.uri,
      verb,
      user: userOf(user),
      sourceIPs: request.sourceIps,
      ...(userAgent && {
        userAgent: userAgent.length > LONGEST_USER_AGENT ? userAgent.slice(0, LONGEST_USER_AGENT) + TRUNCATED : userAgent,
      }),
    }
    if (!isRefused) this.#emit('RequestReceived')
  }

  /** `constraint` is the verb that allowed it, where it was one of constrained impersonation. */
  impersonated(user: UserInfo, constraint: string | undefined): void {
    this.#event['impersonatedUser'] = userOf(user)
    if (constraint) this.#event['authenticationMetadata'] = { impersonationConstraint: constraint }
  }

  /** The first value of a key stays. With a level: only where the event tells that much. */
  annotate(key: string, value: string, level?: 'Request'): void {
    if (level && !this.#atLeast(level)) return
    if (!Object.hasOwn(this.#annotations, key)) this.#annotations[key] = value
  }

  /** What authorization said. */
  decided(allowed: boolean, reason: string): void {
    this.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid')
    this.annotate('authorization.k8s.io/reason', reason)
  }

  /** What is asked, before admission changes it; from then on admission adds to the event. */
  request(request: ApiRequest): void {
    if (request.patch) this.requestPatch(request.patch.bytes)
    else this.requestObject(request.body, request)
    request.annotate = (key, value, level) => this.annotate(key, value, level)
  }

  requestObject(object: JsonObject | undefined, request?: Pick<ApiRequest, 'resource'>): void {
    if (!object) return
    const { name, namespace, uid, resourceVersion } = (object['metadata'] ?? {}) as Record<string, string | undefined>
    const ref = this.#objectRef
    if (ref) Object.assign(ref, { namespace: ref['namespace'] ?? namespace, name: ref['name'] ?? name, uid, resourceVersion })
    if (!this.#atLeast('Request')) return
    const told = structuredClone(this.#told(object))
    if (request && told['kind'] === request.resource.kind) defaultObject(request.resource, told as unknown as KubeObject, this.#clock.now())
    this.#event['requestObject'] = told
  }

  requestPatch(bytes: Uint8Array): void {
    if (!this.#atLeast('Request')) return
    const text = Buffer.from(bytes).toString()
    try {
      this.#event['requestObject'] = JSON.parse(text)
    } catch {
      // An apply patch in YAML is kept as its text.
      this.#event['requestObject'] = text
    }
  }

  responseObject(object: JsonObject): void {
    if (this.#atLeast('RequestResponse')) this.#event['responseObject'] = this.#told(object)
  }

  /** What the registry answered, and what that is to the one who asked: a table, say. */
  response(result: ApiResult, shown: () => object = () => objectOf(result)): void {
    if (result.type === 'object') this.#succeeded(result.object as JsonObject, result.code)
    if (this.#atLeast('RequestResponse')) this.responseObject(shown() as JsonObject)
  }

  /** A success may be told by a Status, too. */
  #succeeded(object: JsonObject, code: number): void {
    if (object['kind'] === 'TokenRequest') {
      const id = credentialIdOf((object['status'] as JsonObject | undefined)?.['token'])
      if (id) this.annotate('authentication.kubernetes.io/issued-credential-id', id)
    }
    if (object['kind'] !== 'Status') return
    const { status, message, reason, details } = object as unknown as Status
    this.#status = { metadata: {}, status, ...(message && { message }), ...(reason && { reason }), ...(details && { details }), code }
  }

  /** A failure: its Status, or what would be told of an error that nobody foresaw. */
  failed(error: unknown): void {
    const status = statusOf(error)
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = status
    this.#status = rest
    if (this.#atLeast('RequestResponse')) this.#event['responseObject'] = status
  }

  /** The answer's head goes out. */
  started(code: number): void {
    this.#status ??= { metadata: {}, code }
    if (this.#started || !this.#request.longRunning || this.#isRefused) return
    this.#started = true
    this.#emit('ResponseStarted')
  }

  completed(): void {
    if (this.#isRefused) return this.#emit('ResponseStarted')
    if (!this.#status) {
      this.#status = { metadata: {}, status: 'Success', message: 'Connection closed early', code: 200 }
      if (this.#request.longRunning) this.#emit('ResponseStarted')
    }
    this.#emit('ResponseComplete')
  }

  #atLeast(level: Level): boolean {
    return RANK[this.#config.level] >= RANK[level]
  }

  #told(object: JsonObject): JsonObject {
    return withoutTokens(this.#config.omitManagedFields ? withoutManagedFields(object) : object)
  }

  #emit(stage: Stage): void {
    if (this.#config.omitStages.includes(stage)) return
    const { requestURI, verb, user, authenticationMetadata, impersonatedUser, sourceIPs, userAgent, requestObject, responseObject } =
      this.#event
    this.#write({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: this.#config.level,
      auditID: this.#request.id,
      stage,
      requestURI,
      verb,
      user,
      authenticationMetadata,
      impersonatedUser,
      sourceIPs,
      userAgent,
      objectRef: this.#objectRef,
      responseStatus: this.#status,
      requestObject,
      responseObject,
      requestReceivedTimestamp: microTime(this.#request.receivedMs),
      stageTimestamp: microTime(this.#clock.now()),
      annotations: Object.keys(this.#annotations).length > 0 ? this.#annotations : undefined,
    })
  }
}

/** A result as the one object that JSON has of it. */
function objectOf(result: ApiResult): JsonObject {
  if (result.type === 'object') return result.object as JsonObject
  const { kind, apiVersion, metadata, items } = result
  return { kind, apiVersion, metadata: { ...metadata }, items: items.map(({ object }) => object as unknown as JsonObject) }
}

/** Serves a request in process; what comes of it stands in its event. */
export async function audited<T>(entry: AuditEntry, verb: string, serve: () => Promise<T>): Promise<T> {
  try {
    const answer = await serve()
    entry.started(verb === 'create' ? 201 : 200)
    return answer
  } catch (error) {
    entry.failed(error)
    throw error
  } finally {
    entry.completed()
  }
}

function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status
  return newInternalError(error instanceof Error ? error.message : String(error)).status
}

export class Audit {
  readonly #policy: AuditPolicy
  readonly sinks: readonly AuditSink[]
  readonly #clock: Clock
  /** Events, whatever became of them. */
  events = 0
  /** Requests by the level that the policy gives them. */
  readonly levels = new Map<Level, number>()

  constructor(options: { policy: AuditPolicy; sinks: readonly AuditSink[]; clock: Clock }) {
    this.#policy = options.policy
    this.sinks = options.sinks
    this.#clock = options.clock
  }

  /** Undefined where the policy does not want the request. */
  begin(request: AuditedRequest, attributes: RequestAttributes, isRefused = false): AuditEntry | undefined {
    const config = auditConfigOf(this.#policy, attributes)
    this.levels.set(config.level, (this.levels.get(config.level) ?? 0) + 1)
    if (config.level === 'None') return undefined
    return new AuditEntry({ config, request, attributes, write: (event) => this.#write(event), clock: this.#clock, isRefused })
  }

  #write(event: object): void {
    this.events++
    const json = JSON.stringify(event)
    for (const sink of this.sinks) sink.write(json)
  }

  /** Like `begin`, for a request that comes without HTTP from a component in this process. */
  beginInProcess(request: { uri: string; userAgent: string; longRunning: boolean }, attributes: RequestAttributes): AuditEntry | undefined {
    return this.begin({ ...request, id: randomUUID(), sourceIps: IN_PROCESS, receivedMs: this.#clock.now() }, attributes)
  }

  async close(): Promise<void> {
    await Promise.all(this.sinks.map((sink) => sink.close()))
  }
}
