/** CertificateSigningRequests: who asks, who approved, and what the signer says of them. */
import { validateCertificateSigningRequest, validateCertificateSigningRequestStatus } from '../../../api/validation/certificates.ts'
import { isPathSegmentName } from '../../../api/validation/names.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../../../api/kinds/certificates/v1.ts'
import type { Strategy } from '../strategy.ts'

type Conditions = readonly CertificateSigningRequestCondition[]
const DECISIONS: readonly string[] = ['Approved', 'Denied']

/** The conditions with the times that the client left out. */
export function withTimes(next: Conditions, old: Conditions, now: string): CertificateSigningRequestCondition[] {
  return next.map((condition) => {
    const same = old.find((before) => before.type === condition.type && before.status === condition.status)
    return {
      ...condition,
      lastTransitionTime: condition.lastTransitionTime ?? same?.lastTransitionTime ?? now,
      lastUpdateTime: condition.lastUpdateTime ?? now,
    }
  })
}

/** A signer that sends the decisions along cannot change them; where it adds or takes one away, validation refuses. */
function withKeptDecisions(next: Conditions, old: Conditions): Conditions {
  let kept = next
  for (const type of DECISIONS) {
    const before = old.filter((condition) => condition.type === type)
    if (kept.filter((condition) => condition.type === type).length !== before.length) continue
    let at = 0
    kept = kept.map((condition) => (condition.type === type ? (before[at++] ?? condition) : condition))
  }
  return kept
}

export const certificateSigningRequests: Strategy<CertificateSigningRequest> = {
  statusKeepsMetadata: true,
  checksMetaOfParts: true,
  validateName: isPathSegmentName,
  updateChecks: ['change', 'new'],
  resetFields: {
    '': [['spec'], ['status']],
    status: [['spec'], ['status', 'conditions']],
    approval: [['spec'], ['status', 'certificate']],
  },
  /** Who asks is what the authenticator says, never what the object says. */
  prepareForCreate(next, { user }) {
    next.spec.username = user.name
    if (user.uid) next.spec.uid = user.uid
    else delete next.spec.uid
    next.spec.groups = [...user.groups]
    const extra = Object.entries(user.extra)
    if (extra.length > 0) next.spec.extra = Object.fromEntries(extra.map(([key, values]) => [key, [...values]]))
    else delete next.spec.extra
  },
  validateCreate: (csr) => validateCertificateSigningRequest(csr),
  prepareForUpdate(next, old) {
    next.spec = old.spec
  },
  prepareForStatusUpdate(next, old, { now }) {
    if (!next.status?.conditions) return
    const before = old.status?.conditions ?? []
    next.status.conditions = withTimes(withKeptDecisions(next.status.conditions, before), before, now)
  },
  validateStatusUpdate: (next, old) => validateCertificateSigningRequestStatus(next, old),
  selectsNamespace: false,
  selectableFields: { 'spec.signerName': (csr) => csr.spec.signerName },
  unknownFieldLabel: (label) => `field label not supported: ${label}`,
}
