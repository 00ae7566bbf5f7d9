/** AdmissionReview, v1 and v1beta1: what is sent to a webhook, and what its answer may say. */
import { randomUUID } from 'node:crypto'
import type { JsonObject } from '../../../api/resource.ts'
import { isJsonObject } from '../../cache/json.ts'
import type { AdmissionRequest } from '../admission.ts'
import { requestView } from '../matching/requestView.ts'
import type { Match } from '../matching/rules.ts'
import type { VersionedObject } from '../matching/versionedObjects.ts'

export interface Review {
  uid: string
  version: 'v1' | 'v1beta1'
  body: JsonObject
}

export interface Verdict {
  allowed: boolean
  /** Base64 of a JSON patch. */
  patch?: string
  patchType?: string
  /** A Status. */
  result?: JsonObject
  auditAnnotations: Readonly<Record<string, string>>
  warnings: readonly string[]
}

/** Throws where the webhook knows no version that this server speaks. */
export function createReview(
  versions: readonly string[],
  request: AdmissionRequest,
  match: Match,
  { object, oldObject }: VersionedObject,
): Review {
  const version = versions.find((candidate) => candidate === 'v1' || candidate === 'v1beta1') as Review['version'] | undefined
  if (!version) throw new Error('webhook does not accept known AdmissionReview versions (v1, v1beta1)')
  const uid = randomUUID()
  const objects = { object: object ?? null, oldObject: oldObject ?? null } as unknown as JsonObject
  const body = {
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${version}`,
    request: { uid, ...requestView(request, match), ...objects },
  }
  return { uid, version, body }
}

/** Go's way to write a value into its type. */
function goKindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

type FieldType = 'string' | 'bool' | 'object' | 'array'

function fieldOf(response: JsonObject, name: string, type: FieldType): unknown {
  const value = response[name]
  if (value === undefined || value === null) return undefined
  if (goKindOf(value) !== type)
    throw new Error(`json: cannot unmarshal ${goKindOf(value)} into Go struct field AdmissionResponse.response.${name}`)
  return value
}

function versionText(answer: JsonObject): string {
  const apiVersion = String(answer['apiVersion'] ?? '')
  return `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${String(answer['kind'] ?? '')}`
}

function checkPatch(response: JsonObject, mutating: boolean): void {
  const [patch, patchType] = [response['patch'] ?? '', response['patchType'] ?? undefined]
  if (!mutating) {
    if (patch !== '') throw new Error('validating webhook may not return response.patch')
    if (patchType !== undefined) throw new Error('validating webhook may not return response.patchType')
    return
  }
  if (patch !== '' && patchType === undefined) throw new Error('webhook returned response.patch but not response.patchType')
  if (patch === '' && patchType !== undefined) throw new Error('webhook returned response.patchType but not response.patch')
  if (patchType === '') throw new Error('webhook returned invalid response.patchType of ""')
}

/** Throws an Error in upstream's words where the answer is none. */
export function readVerdict(answer: unknown, { uid, version }: Review, mutating: boolean): Verdict {
  if (!isJsonObject(answer)) throw new Error('webhook response was absent')
  const response = answer['response']
  if (!isJsonObject(response)) throw new Error('webhook response was absent')
  if (version === 'v1') {
    if (response['uid'] !== uid)
      throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'] ?? '')}`)
    const expected = 'admission.k8s.io/v1, Kind=AdmissionReview'
    if (versionText(answer) !== expected) throw new Error(`expected webhook response of ${expected}, got ${versionText(answer)}`)
    checkPatch(response, mutating)
  }
  const patch = fieldOf(response, 'patch', 'string') as string | undefined
  const patchType = version === 'v1' ? (fieldOf(response, 'patchType', 'string') as string | undefined) : patch && 'JSONPatch'
  const result = (fieldOf(response, 'status', 'object') ?? undefined) as JsonObject | undefined
  const annotations = (fieldOf(response, 'auditAnnotations', 'object') ?? {}) as JsonObject
  return {
    allowed: fieldOf(response, 'allowed', 'bool') === true,
    ...(patch && { patch }),
    ...(patchType && { patchType }),
    ...(result && { result }),
    auditAnnotations: Object.fromEntries(Object.entries(annotations).map(([key, value]) => [key, String(value)])),
    warnings: ((fieldOf(response, 'warnings', 'array') ?? []) as unknown[]).map(String),
  }
}
