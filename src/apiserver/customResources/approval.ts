/** Groups of the Kubernetes community say where their API was approved (`api-approved.kubernetes.io`). */
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { parseUrl, urlError } from '../../api/goUrl.ts'
import type { FieldError } from '../../api/status.ts'
import { invalid, required } from '../../api/validation/fieldErrors.ts'

export const APPROVAL_ANNOTATION = 'api-approved.kubernetes.io'
const SEE = 'see https://github.com/kubernetes/enhancements/pull/1111'

export type ApprovalState = 'Approved' | 'Bypassed' | 'Missing' | 'Invalid'

export function isProtectedGroup(group: string): boolean {
  return ['k8s.io', 'kubernetes.io'].some((domain) => group === domain || group.endsWith(`.${domain}`))
}

function isUrlWithHost(text: string): boolean {
  if (urlError(text) !== undefined) return false
  const { scheme, host } = parseUrl(text, true)
  return scheme !== '' && host !== ''
}

export function approvalOf(annotations: Readonly<Record<string, string>> | undefined): { state: ApprovalState; reason: string } {
  const annotation = annotations?.[APPROVAL_ANNOTATION] ?? ''
  const quoted = JSON.stringify(APPROVAL_ANNOTATION)
  if (annotation === '') return { state: 'Missing', reason: `protected groups must have approval annotation ${quoted}, ${SEE}` }
  if (annotation.startsWith('unapproved')) return { state: 'Bypassed', reason: `not approved: ${JSON.stringify(annotation)}` }
  if (isUrlWithHost(annotation)) return { state: 'Approved', reason: `approved in ${annotation}` }
  return {
    state: 'Invalid',
    reason: `protected groups must have approval annotation ${quoted} with either a URL or a reason starting with "unapproved", ${SEE}`,
  }
}

export function validateApproval(definition: CustomResourceDefinition, old: CustomResourceDefinition | undefined): FieldError[] {
  if (!isProtectedGroup(definition.spec.group ?? '')) return []
  const { annotations } = definition.metadata
  const { state, reason } = approvalOf(annotations)
  if (old && approvalOf(old.metadata.annotations).state === state) return []
  const path = `metadata.annotations[${APPROVAL_ANNOTATION}]`
  if (state === 'Missing') return [required(path, reason)]
  return state === 'Invalid' ? [invalid(path, annotations?.[APPROVAL_ANNOTATION], reason)] : []
}
