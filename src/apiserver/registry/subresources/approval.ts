/** certificatesigningrequests/approval: only the Approved and Denied conditions. */
import { validateCertificateSigningRequestApproval } from '../../../api/validation/certificates.ts'
import { partOfObject } from './part.ts'
import type { CertificateSigningRequest } from '../../../api/kinds/certificates/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { StrategyContext } from '../strategy.ts'
import type { SubresourceHandler } from '../registryCore.ts'

/** The signer's, not the approver's. */
const KEPT = new Set(['Failed'])

function withDecisions(next: KubeObject, old: KubeObject, context: StrategyContext): KubeObject {
  const given = next as CertificateSigningRequest
  const kept = old as CertificateSigningRequest
  const before = kept.status?.conditions ?? []
  const stamp = (condition: (typeof before)[number]): (typeof before)[number] => {
    const same = before.find((old) => old.type === condition.type && old.status === condition.status)
    return {
      ...condition,
      lastTransitionTime: condition.lastTransitionTime ?? same?.lastTransitionTime ?? context.now,
      lastUpdateTime: condition.lastUpdateTime ?? context.now,
    }
  }
  const decisions = (given.status?.conditions ?? []).filter((condition) => !KEPT.has(condition.type)).map(stamp)
  const others = before.filter((condition) => KEPT.has(condition.type))
  const conditions = [...decisions, ...others]
  const { managedFields } = next.metadata
  return {
    ...kept,
    metadata: { ...kept.metadata, resourceVersion: next.metadata.resourceVersion, ...(managedFields && { managedFields }) },
    status: { ...kept.status, conditions },
  } as CertificateSigningRequest
}

export const approval: SubresourceHandler = (core, kind, request) =>
  partOfObject(core, kind, request, {
    part: 'other',
    reshape: withDecisions,
    validate: (next, old) => validateCertificateSigningRequestApproval(next as CertificateSigningRequest, old as CertificateSigningRequest),
  })
