/** certificatesigningrequests/approval: the conditions alone, and metadata as any write may change it. */
import { validateCertificateSigningRequestApproval } from '../../../api/validation/certificates.ts'
import { withTimes } from '../strategies/certificates.ts'
import { partOfObject } from './part.ts'
import type { CertificateSigningRequest } from '../../../api/kinds/certificates/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { StrategyContext } from '../strategy.ts'
import type { SubresourceHandler } from '../registryCore.ts'

function withDecisions(next: KubeObject, old: KubeObject, { now }: StrategyContext): KubeObject {
  const given = next as CertificateSigningRequest
  const kept = old as CertificateSigningRequest
  const conditions = withTimes(given.status?.conditions ?? [], kept.status?.conditions ?? [], now)
  return { ...kept, metadata: given.metadata, status: { ...kept.status, conditions } } as CertificateSigningRequest
}

export const approval: SubresourceHandler = (core, kind, request) =>
  partOfObject(core, kind, request, {
    part: 'other',
    reshape: withDecisions,
    validate: (next, old) => validateCertificateSigningRequestApproval(next as CertificateSigningRequest, old as CertificateSigningRequest),
  })
