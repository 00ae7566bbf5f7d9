/** AdmissionReview, v1 and v1beta1: what is sent to a webhook, and what its answer may say. */
import { randomUUID } from 'node:crypto'
import { quote } from '../../../api/quote.ts'
import type { JsonObject } from '../../../api/resource.ts'
import type { Status } from '../../../api/kinds/meta/v1.ts'
import { kindText } from '../../webhooks/reviewCodec.ts'
import type { AdmissionRequest } from '../admission.ts'
import { requestView } from '../matching/requestView.ts'
import type { Match } from '../matching/rules.ts'
import type { VersionedObject } from '../matching/versionedObjects.ts'

export interface Review {
  uid: string
  version: 'v1' | 'v1beta1'
  body: JsonObject & { kind: string; apiVersion: string }
}

export interface Verdict {
  allowed: boolean
  /** Base64 of a JSON patch. */
  patch?: string
  patchType?: string
  result?: Partial<Status>
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

function checkPatch({ patch = '', patchType }: Response, mutating: boolean): void {
  if (!mutating) {
    if (patch !== '') throw new Error('validating webhook may not return response.patch')
    if (patchType !== undefined) throw new Error('validating webhook may not return response.patchType')
    return
  }
  if (patch !== '' && patchType === undefined) throw new Error('webhook returned response.patch but not response.patchType')
  if (patch === '' && patchType !== undefined) throw new Error('webhook returned response.patchType but not response.patch')
  if (patchType === '') throw new Error('webhook returned invalid response.patchType of ""')
}

/** An AdmissionResponse, of either version. */
interface Response {
  uid?: string
  allowed?: boolean
  status?: Partial<Status>
  patch?: string
  patchType?: string
  auditAnnotations?: Record<string, string>
  warnings?: string[]
}

/** Throws an Error in upstream's words where the answer, a review of the kind that was sent, does not fit what was asked. */
export function readVerdict(answer: JsonObject, { uid, version }: Review, mutating: boolean): Verdict {
  const response = answer['response'] as Response | undefined
  if (!response) throw new Error('webhook response was absent')
  if (version === 'v1') {
    if (response.uid !== uid) throw new Error(`expected response.uid=${quote(uid)}, got ${quote(response.uid ?? '')}`)
    const expected = 'admission.k8s.io/v1, Kind=AdmissionReview'
    if (kindText(answer) !== expected) throw new Error(`expected webhook response of ${expected}, got ${kindText(answer)}`)
    checkPatch(response, mutating)
  }
  const { patch, status } = response
  const patchType = version === 'v1' ? response.patchType : patch && 'JSONPatch'
  return {
    allowed: response.allowed === true,
    ...(patch && { patch }),
    ...(patchType && { patchType }),
    ...(status && { result: status }),
    auditAnnotations: response.auditAnnotations ?? {},
    warnings: response.warnings ?? [],
  }
}
