/**
 * Content negotiation: which representation an answer gets (Accept), and which one a body has (Content-Type). Two layers
 * refuse with different texts, as upstream's router (go-restful) and negotiation package do, since clients print them.
 */
import { newStatusError } from '../../api/status.ts'
import type { StatusError } from '../../api/status.ts'

export type MediaType = 'application/json' | 'application/yaml' | 'application/vnd.kubernetes.protobuf'
export type Transform = 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'

export interface Negotiated {
  mediaType: MediaType
  /** The representation other than the object itself that was asked for. */
  as?: Transform
  /** `v1` or `v1beta1` of meta.k8s.io, with `as`. */
  asVersion?: string
  /** The query or the agent wants JSON to be read by people. */
  pretty: boolean
}

const ACCEPTED: readonly MediaType[] = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
const ACCEPTED_TEXT = ACCEPTED.join(', ')
const WATCH_REPRESENTATIONS = 'application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch'
export const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
] as const
const MAX_CLAUSES = 64

export interface AcceptClause {
  type: string
  params: Readonly<Record<string, string>>
  q: number
}

/** The clauses of an Accept header, best first; of equal weight in the order they stand. */
export function parseAccept(header: string): AcceptClause[] {
  const clauses: AcceptClause[] = []
  for (const part of header.split(',').slice(0, MAX_CLAUSES)) {
    const [type = '', ...rest] = part.split(';').map((s) => s.trim())
    if (type === '') continue
    const params: Record<string, string> = {}
    let q = 1
    for (const param of rest) {
      const [key = '', value = ''] = param.split('=').map((s) => s.trim())
      if (key === 'q') q = Number.isNaN(Number(value)) ? 1 : Number(value)
      else params[key] = value
    }
    clauses.push({ type, params, q })
  }
  return clauses
    .map((clause, at) => ({ clause, at }))
    .sort((a, b) => b.clause.q - a.clause.q || a.at - b.at)
    .map((c) => c.clause)
}

export function newRouterNotAcceptable(representations: string): StatusError {
  return newStatusError(406, 'NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${representations}`, {})
}

export function newNotAcceptable(representations = ACCEPTED_TEXT): StatusError {
  return newStatusError(406, 'NotAcceptable', `only the following media types are accepted: ${representations}`)
}

/** Throws the router's 406 for an endpoint that has one representation. */
export function negotiateOnly(accept: string, representation: string): void {
  if (accept.trim() === '') return
  if (!parseAccept(accept).some(({ type }) => type === '*/*' || type === representation)) throw newRouterNotAcceptable(representation)
}

/** Of what can be asked for of a stream, there are watches, and none in YAML. */
function mediaTypeOf({ type, params }: AcceptClause): MediaType | undefined {
  const mediaType = type === '*/*' || type === 'application/*' ? 'application/json' : ACCEPTED.find((accepted) => accepted === type)
  const { stream } = params
  return stream && (stream !== 'watch' || mediaType === 'application/yaml') ? undefined : mediaType
}

export interface NegotiationRules {
  /** `as=` values that the endpoint can make (group meta.k8s.io, version v1). */
  transforms: readonly Transform[]
  /** The endpoint streams watch events: YAML cannot be framed. */
  streaming?: boolean
  /** Objects without a protobuf form: only what is made of them has one. */
  noProtobuf?: boolean
  /** Lists also name the streaming media types when they refuse. */
  list?: boolean
}

function transformOf(clause: AcceptClause, rules: NegotiationRules): Transform | undefined | 'unsupported' {
  const { as, g, v } = clause.params
  if (as === undefined && g === undefined && v === undefined) return undefined
  if (as === undefined) return 'unsupported'
  const known = (rules.transforms as readonly string[]).includes(as)
  if (!known || g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) return 'unsupported'
  return as as Transform
}

/** Throws 406. `routed` is false for endpoints that do not pass upstream's router (discovery, errors, custom resources). */
export function negotiate(accept: string, options: NegotiationRules & { routed: boolean; pretty: boolean }): Negotiated {
  const { routed, pretty } = options
  if (accept === 'application/json' || accept.trim() === '') return { mediaType: 'application/json', pretty }
  const clauses = parseAccept(accept)
  if (routed && !clauses.some((c) => c.type === '*/*' || ACCEPTED.some((type) => type === c.type))) {
    throw newRouterNotAcceptable(options.list ? `${ACCEPTED_TEXT}, ${WATCH_REPRESENTATIONS}` : ACCEPTED_TEXT)
  }
  for (const clause of clauses) {
    const mediaType = mediaTypeOf(clause)
    const as = transformOf(clause, options)
    if (!mediaType || as === 'unsupported') continue
    if (options.noProtobuf && !as && mediaType === 'application/vnd.kubernetes.protobuf') continue
    // Tables have no protobuf form.
    if (as === 'Table' && mediaType === 'application/vnd.kubernetes.protobuf') continue
    if (options.streaming && mediaType === 'application/yaml') throw newNotAcceptable(WATCH_REPRESENTATIONS)
    return { mediaType, pretty: pretty || wantsPrettyType(clause), ...(as && { as, asVersion: clause.params['v'] as string }) }
  }
  throw newNotAcceptable()
}

/** How an error is written: as asked where possible, JSON where not. */
export function negotiateError(accept: string, pretty: boolean): Negotiated {
  if (accept.trim() === '') return { mediaType: 'application/json', pretty }
  for (const clause of parseAccept(accept)) {
    const mediaType = mediaTypeOf(clause)
    if (mediaType && transformOf(clause, { transforms: [] }) === undefined) return { mediaType, pretty: pretty || wantsPrettyType(clause) }
  }
  return { mediaType: 'application/json', pretty: true }
}

function wantsPrettyType({ params }: AcceptClause): boolean {
  return params['pretty'] === '1'
}

/** People read what curl prints. */
export function wantsPretty(query: URLSearchParams, userAgent: string): boolean {
  const pretty = query.get('pretty')
  // Go's ParseBool, of which whatever it does not know is false.
  if (pretty) return ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(pretty)
  return userAgent.startsWith('curl') || userAgent.startsWith('Wget') || userAgent.startsWith('Mozilla/5.0')
}

const PARAMETER = /^\s*[^\s"()<>@,;:\\/[\]?={}]+=(?:"(?:[^"\\]|\\.)*"|[^\s"()<>@,;:\\/[\]?={}]+)\s*$/

/** As Go's mime package reads it: with a parameter that is none, it is no media type; one empty parameter at the end is let pass. */
function typeWithoutParameters(contentType: string): string {
  const [type = '', ...parameters] = contentType.split(';')
  if (parameters.at(-1)?.trim() === '') parameters.pop()
  return parameters.every((parameter) => PARAMETER.test(parameter)) ? type.trim().toLowerCase() : contentType
}

/** The type of a body that holds an object. Throws 415. */
export function bodyMediaType(contentType: string): MediaType {
  const type = typeWithoutParameters(contentType)
  if (type === '') return 'application/json'
  const found = ACCEPTED.find((accepted) => accepted === type)
  if (found) return found
  throw unknownFormat(ACCEPTED)
}

/** Those that custom resources take: nothing is known of the order of their lists. */
const CUSTOM_PATCH_TYPES: readonly string[] = PATCH_TYPES.filter((type) => type !== 'application/strategic-merge-patch+json')

const unknownFormat = (accepted: readonly string[]): StatusError =>
  newStatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  )

/** The type of a patch. Throws 415, which for patches is the router's; custom resources pass it by. */
export function patchMediaType(contentType: string, routed: boolean): string {
  const type = (contentType.split(';')[0] as string).trim()
  if (((routed ? PATCH_TYPES : CUSTOM_PATCH_TYPES) as readonly string[]).includes(type)) return type
  if (!routed) throw unknownFormat(CUSTOM_PATCH_TYPES)
  // The router looks at each of a list of types, what is behind it takes the header for one.
  if (contentType.split(',').some((part) => (PATCH_TYPES as readonly string[]).includes((part.split(';')[0] as string).trim()))) {
    throw unknownFormat(PATCH_TYPES)
  }
  throw newStatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
}
