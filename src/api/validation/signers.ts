/** Names of certificate signers, and of the trust bundles that belong to one. */
import { quote } from '../quote.ts'
import { check, invalid, required, tooLong } from './fieldErrors.ts'
import { isDns1123Label, isDns1123Subdomain } from './names.ts'
import type { FieldError } from '../status.ts'

const DOMAIN_LIMIT_BYTES = 253
/** A domain, `/`, a namespace's name, `.`, an object's name. */
const NAME_LIMIT_BYTES = DOMAIN_LIMIT_BYTES + 1 + 63 + 1 + 253

export function isKubernetesSigner(signerName: string): boolean {
  const domain = signerName.split('/')[0] as string
  return domain === 'kubernetes.io' || domain.endsWith('.kubernetes.io')
}

/** The first label that breaks a rule; the others would only repeat it. */
function checkLabels(errors: FieldError[], segment: string, rule: (label: string) => string[], path: string): void {
  for (const label of segment.split('.')) {
    const broken = rule(label)
    check(
      errors,
      path,
      segment,
      broken.map((error) => `validating label ${quote(label)}: ${error}`),
    )
    if (broken.length > 0) return
  }
}

export function checkSignerName(errors: FieldError[], signerName: string, path: string): void {
  if (!signerName) {
    errors.push(required(path))
    return
  }
  const [domain, name, ...rest] = signerName.split('/')
  if (domain === undefined || name === undefined || rest.length > 0) {
    errors.push(invalid(path, signerName, "must be a fully qualified domain and path of the form 'example.com/signer-name'"))
    return
  }
  if (Buffer.byteLength(domain) > DOMAIN_LIMIT_BYTES) errors.push(tooLong(path, DOMAIN_LIMIT_BYTES))
  checkLabels(errors, domain, isDns1123Label, path)
  if (!domain.includes('.')) errors.push(invalid(path, domain, 'should be a domain with at least two segments separated by dots'))
  checkLabels(errors, name, isDns1123Subdomain, path)
  if (Buffer.byteLength(signerName) > NAME_LIMIT_BYTES) errors.push(tooLong(path, NAME_LIMIT_BYTES))
}

/** A bundle of a signer begins with the signer's name, `:` for `/`; any other has no `:` in its name. */
export function clusterTrustBundleNameErrors(name: string, signerName?: string): string[] {
  const signer = signerName ?? (name.includes(':') ? name.slice(0, name.lastIndexOf(':')).replaceAll(':', '/') : '')
  if (signer === '') {
    return name.includes(':') ? ['ClusterTrustBundle without signer name must not have ":" in its name'] : isDns1123Subdomain(name)
  }
  const prefix = `${signer.replaceAll('/', ':')}:`
  if (!name.startsWith(prefix)) return [`ClusterTrustBundle for signerName ${signer} must be named with prefix ${prefix}`]
  return isDns1123Subdomain(name.slice(prefix.length))
}
