/** CertificateSigningRequests. */
import { asGiven } from '../codec/goShape.ts'
import { duplicate, forbidden, invalid, notSupported, required } from './fieldErrors.ts'
import { checkSignerName } from './signers.ts'
import { certificatesError } from './keyPair.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../kinds/certificates/v1.ts'
import type { FieldError } from '../status.ts'

const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]
const SHORTEST_SECONDS = 600
const LEGACY_SIGNER = 'kubernetes.io/legacy-unknown'

export function validateCertificateSigningRequest({ spec }: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = []
  const pem = Buffer.from(spec?.request ?? '', 'base64').toString('latin1')
  if (!pem.includes('-----BEGIN CERTIFICATE REQUEST-----')) {
    errors.push(invalid('spec.request', (spec && asGiven(spec, 'request')) ?? null, 'PEM block type must be CERTIFICATE REQUEST'))
  }
  const usages = spec?.usages ?? []
  if (usages.length === 0) errors.push(required('spec.usages'))
  for (const [i, usage] of usages.entries()) {
    if (!USAGES.includes(usage)) errors.push(notSupported(`spec.usages[${i}]`, usage, USAGES))
    if (usages.indexOf(usage) < i)
      errors.push({ type: 'FieldValueDuplicate', field: `spec.usages[${i}]`, message: `Duplicate value: ${JSON.stringify(usage)}` })
  }
  const signerName = spec?.signerName ?? ''
  checkSignerName(errors, signerName, 'spec.signerName')
  if (signerName === LEGACY_SIGNER)
    errors.push(invalid('spec.signerName', signerName, 'the legacy signerName is not allowed via this API version'))
  const seconds = spec?.expirationSeconds
  if (seconds !== undefined && seconds < SHORTEST_SECONDS)
    errors.push(invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 600 seconds (10 minutes)'))
  return errors
}

type Conditions = readonly CertificateSigningRequestCondition[]
const ofType = (conditions: Conditions, type: string): Conditions => conditions.filter((condition) => condition.type === type)

function checkConditions(errors: FieldError[], conditions: Conditions, old: Conditions): void {
  for (const [i, condition] of conditions.entries()) {
    const at = `status.conditions[${i}]`
    if (!condition.type) errors.push(required(`${at}.type`))
    const decides = ['Approved', 'Denied', 'Failed'].includes(condition.type)
    const allowed = decides ? ['True'] : ['False', 'True', 'Unknown']
    if (!condition.status) errors.push(required(`${at}.status`))
    else if (!allowed.includes(condition.status)) errors.push(notSupported(`${at}.status`, condition.status, allowed))
    if (conditions.findIndex((other) => other.type === condition.type) < i) errors.push(duplicate(`${at}.type`, condition.type))
  }
  if (ofType(conditions, 'Approved').length > 0 && ofType(conditions, 'Denied').length > 0)
    errors.push(invalid('status.conditions', 'Denied', 'Approved and Denied conditions are mutually exclusive'))
  for (const type of ['Approved', 'Denied', 'Failed']) {
    if (ofType(conditions, type).length < ofType(old, type).length)
      errors.push(forbidden('status.conditions', `updates may not remove a condition of type ${JSON.stringify(type)}`))
  }
}

/** What was stored is left as it is. */
function checkCertificate(errors: FieldError[], next: CertificateSigningRequest, old: CertificateSigningRequest): void {
  const { certificate } = next.status ?? {}
  if (!certificate || certificate === old.status?.certificate) return
  const why = certificatesError(Buffer.from(certificate, 'base64').toString('latin1'))
  if (why) errors.push(invalid('status.certificate', '<certificate data>', why))
}

export function validateCertificateSigningRequestApproval(next: CertificateSigningRequest, old: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = []
  checkConditions(errors, next.status?.conditions ?? [], old.status?.conditions ?? [])
  return errors
}

/** What a signer writes: the certificate once, and conditions other than the decisions. */
export function validateCertificateSigningRequestStatus(next: CertificateSigningRequest, old: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = []
  const conditions = next.status?.conditions ?? []
  const before = old.status?.conditions ?? []
  checkConditions(errors, conditions, before)
  checkCertificate(errors, next, old)
  for (const type of ['Approved', 'Denied']) {
    if (ofType(conditions, type).length > ofType(before, type).length)
      errors.push(forbidden('status.conditions', `updates may not add a condition of type ${JSON.stringify(type)}`))
  }
  const certificate = old.status?.certificate
  if (certificate && next.status?.certificate !== certificate)
    errors.push(forbidden('status.certificate', 'updates may not modify existing certificate content'))
  return errors
}
