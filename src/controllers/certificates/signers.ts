/** The signers that Kubernetes knows, and what each of them refuses to sign. No I/O. */
import type { CertificateSigningRequest } from '../../api/kinds/certificates/v1.ts'

/** What a PKCS #10 request asks for. */
export interface RequestedSubject {
  commonName: string
  organizations: readonly string[]
  dnsNames: readonly string[]
  ipAddresses: readonly string[]
  emailAddresses: readonly string[]
  uris: readonly string[]
}

export interface CertificateSigner {
  /** Reads a request (PEM); throws where it is none. */
  inspect(requestPem: string): Promise<RequestedSubject>
  /** The certificate (PEM) for a request, by the cluster's authority. */
  sign(request: { requestPem: string; usages: readonly string[]; expirationSeconds: number | undefined }): Promise<string>
}

export const KUBELET_SERVING = 'kubernetes.io/kubelet-serving'
export const KUBELET_CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet'
export const API_CLIENT = 'kubernetes.io/kube-apiserver-client'
export const LEGACY_UNKNOWN = 'kubernetes.io/legacy-unknown'
export const SIGNERS = [KUBELET_SERVING, KUBELET_CLIENT, API_CLIENT, LEGACY_UNKNOWN] as const

/** In the order in which messages name them. */
const SERVING_USAGES = ['digital signature', 'key encipherment', 'server auth']
const CLIENT_USAGES = ['client auth', 'digital signature', 'key encipherment']
/** Keys of kinds other than RSA encipher nothing. */
const NOT_NEEDED = 'key encipherment'

const isNodeOrganization = ({ organizations }: RequestedSubject): boolean =>
  organizations.length === 1 && organizations[0] === 'system:nodes'

const nameProblem = ({ commonName }: RequestedSubject): string | undefined =>
  commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:'

function usagesProblem(usages: readonly string[], wanted: readonly string[]): string | undefined {
  const matches = usages.every((usage) => wanted.includes(usage)) && wanted.every((usage) => usage === NOT_NEEDED || usages.includes(usage))
  return matches ? undefined : `usages did not match [${wanted.join(' ')}]`
}

/** Why a kubelet's client request is none; undefined when it is one. */
export function kubeletClientProblem(subject: RequestedSubject, usages: readonly string[]): string | undefined {
  if (!isNodeOrganization(subject)) return 'subject organization is not system:nodes'
  const { dnsNames, emailAddresses, ipAddresses, uris } = subject
  const named = Object.entries({ DNS: dnsNames, Email: emailAddresses, IP: ipAddresses, URI: uris }).find(([, names]) => names.length > 0)
  if (named) return `${named[0]} subjectAltNames are not allowed`
  return nameProblem(subject) ?? usagesProblem(usages, CLIENT_USAGES)
}

function kubeletServingProblem(subject: RequestedSubject, usages: readonly string[]): string | undefined {
  if (!isNodeOrganization(subject)) return 'subject organization is not system:nodes'
  if (subject.dnsNames.length + subject.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required'
  if (subject.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed'
  if (subject.uris.length > 0) return 'URI subjectAltNames are not allowed'
  return usagesProblem(usages, SERVING_USAGES) ?? nameProblem(subject)
}

function apiClientProblem(usages: readonly string[]): string | undefined {
  const strange = usages.find((usage) => !CLIENT_USAGES.includes(usage))
  if (strange !== undefined) return `invalid usage for client certificate: ${strange}`
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth'
}

/** Why the signer refuses; undefined when it signs. */
export function signerProblem({ spec }: CertificateSigningRequest, subject: RequestedSubject): string | undefined {
  const usages = spec.usages ?? []
  switch (spec.signerName) {
    case KUBELET_SERVING:
      return kubeletServingProblem(subject, usages)
    case KUBELET_CLIENT:
      return kubeletClientProblem(subject, usages)
    case API_CLIENT:
      return apiClientProblem(usages)
    default:
      return undefined
  }
}

/** A shorter life than the cluster's signers give is granted, as long as a certificate lives long enough to be of use. */
const LEAST_SECONDS = 600

export function grantedSeconds(asked: number | undefined, most: number): number {
  return asked === undefined ? most : Math.min(most, Math.max(LEAST_SECONDS, asked))
}
