/** etcd's v3 API (etcdserverpb.KV, Watch, Maintenance; mvccpb.KeyValue) as far as a store needs it: fields by number. */
import type { FieldKind, MessageTable } from './wire.ts'

type FieldRow = readonly [number: number, name: string, kind: FieldKind, repeated?: 'repeated']

function table(...rows: readonly FieldRow[]): MessageTable {
  return new Map(rows.map(([number, name, kind, repeated]) => [number, { name, kind, repeated: repeated !== undefined }]))
}

export interface KeyValue {
  key: Uint8Array
  create_revision: number
  mod_revision: number
  /** Absent when it is empty, or when keys alone were asked for. */
  value?: Uint8Array
}

export interface ResponseHeader {
  revision: number
}

export interface RangeRequest {
  key: Uint8Array
  range_end?: Uint8Array
  limit?: number
  revision?: number
  keys_only?: boolean
  count_only?: boolean
}

export interface RangeResponse {
  header: ResponseHeader
  kvs?: KeyValue[]
  count?: number
}

export interface RequestOp {
  request_range?: RangeRequest
  request_put?: { key: Uint8Array; value: Uint8Array }
  request_delete_range?: { key: Uint8Array }
}

export interface Compare {
  result: number
  target: number
  key: Uint8Array
  mod_revision: number
}

export interface TxnRequest {
  compare: Compare[]
  success: RequestOp[]
  failure: RequestOp[]
}

export interface TxnResponse {
  header: ResponseHeader
  succeeded?: boolean
  responses?: { response_range?: { kvs?: KeyValue[] } }[]
}

export interface WatchRequest {
  create_request?: {
    key: Uint8Array
    range_end: Uint8Array
    start_revision: number
    progress_notify: boolean
    prev_kv: boolean
    fragment: boolean
  }
}

export interface WatchResponse {
  header: ResponseHeader
  created?: boolean
  canceled?: boolean
  compact_revision?: number
  cancel_reason?: string
  fragment?: boolean
  events?: { type?: number; kv: KeyValue; prev_kv?: KeyValue }[]
}

export interface StatusResponse {
  header: ResponseHeader
  version?: string
  dbSize?: number
  dbSizeInUse?: number
  errors?: string[]
}

/** Compare.CompareResult and Compare.CompareTarget. */
export const COMPARE_EQUAL = 0
export const COMPARE_MOD = 2
/** mvccpb.Event.EventType */
export const EVENT_DELETE = 1

const header = table([3, 'revision', 'int'])
const keyValue = table([1, 'key', 'bytes'], [2, 'create_revision', 'int'], [3, 'mod_revision', 'int'], [5, 'value', 'bytes'])

const rangeRequest = table(
  [1, 'key', 'bytes'],
  [2, 'range_end', 'bytes'],
  [3, 'limit', 'int'],
  [4, 'revision', 'int'],
  [8, 'keys_only', 'bool'],
  [9, 'count_only', 'bool'],
)
const rangeResponse = table([1, 'header', header], [2, 'kvs', keyValue, 'repeated'], [4, 'count', 'int'])
const putRequest = table([1, 'key', 'bytes'], [2, 'value', 'bytes'])
const deleteRangeRequest = table([1, 'key', 'bytes'])
const requestOp = table([1, 'request_range', rangeRequest], [2, 'request_put', putRequest], [3, 'request_delete_range', deleteRangeRequest])
const compare = table([1, 'result', 'int'], [2, 'target', 'int'], [3, 'key', 'bytes'], [6, 'mod_revision', 'int'])
const txnRequest = table([1, 'compare', compare, 'repeated'], [2, 'success', requestOp, 'repeated'], [3, 'failure', requestOp, 'repeated'])
const responseOp = table([1, 'response_range', rangeResponse])
const txnResponse = table([1, 'header', header], [2, 'succeeded', 'bool'], [3, 'responses', responseOp, 'repeated'])
const event = table([1, 'type', 'int'], [2, 'kv', keyValue], [3, 'prev_kv', keyValue])
const watchCreateRequest = table(
  [1, 'key', 'bytes'],
  [2, 'range_end', 'bytes'],
  [3, 'start_revision', 'int'],
  [4, 'progress_notify', 'bool'],
  [6, 'prev_kv', 'bool'],
  [8, 'fragment', 'bool'],
)

export interface Method {
  readonly path: string
  readonly request: MessageTable
  readonly response: MessageTable
}

export const RANGE: Method = { path: '/etcdserverpb.KV/Range', request: rangeRequest, response: rangeResponse }
export const TXN: Method = { path: '/etcdserverpb.KV/Txn', request: txnRequest, response: txnResponse }
export const COMPACT: Method = {
  path: '/etcdserverpb.KV/Compact',
  request: table([1, 'revision', 'int'], [2, 'physical', 'bool']),
  response: table([1, 'header', header]),
}
export const WATCH: Method = {
  path: '/etcdserverpb.Watch/Watch',
  request: table([1, 'create_request', watchCreateRequest]),
  response: table(
    [1, 'header', header],
    [3, 'created', 'bool'],
    [4, 'canceled', 'bool'],
    [5, 'compact_revision', 'int'],
    [6, 'cancel_reason', 'string'],
    [7, 'fragment', 'bool'],
    [11, 'events', event, 'repeated'],
  ),
}
export const STATUS: Method = {
  path: '/etcdserverpb.Maintenance/Status',
  request: table(),
  response: table(
    [1, 'header', header],
    [2, 'version', 'string'],
    [3, 'dbSize', 'int'],
    [8, 'errors', 'string', 'repeated'],
    [9, 'dbSizeInUse', 'int'],
  ),
}
