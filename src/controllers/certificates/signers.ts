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

const SERVING_USAGES = new Set(['key encipherment', 'digital signature', 'server auth'])
const CLIENT_USAGES = new Set(['key encipherment', 'digital signature', 'client auth'])

function isNode(subject: RequestedSubject): boolean {
  return subject.organizations.length === 1 && subject.organizations[0] === 'system:nodes' && subject.commonName.startsWith('system:node:')
}

function usagesProblem(usages: readonly string[], allowed: ReadonlySet<string>, needed: string): string | undefined {
  const ok = usages.includes(needed) && usages.includes('digital signature') && usages.every((usage) => allowed.has(usage))
  return ok ? undefined : 'usages did not match those permitted'
}

function names(subject: RequestedSubject): readonly string[] {
  return [...subject.dnsNames, ...subject.ipAddresses, ...subject.emailAddresses, ...subject.uris]
}

/** Why a kubelet's client request is none; undefined when it is one. */
export function kubeletClientProblem(subject: RequestedSubject, usages: readonly string[]): string | undefined {
  if (!isNode(subject)) return 'subject organization is not system:nodes, or common name does not begin with system:node:'
  if (names(subject).length > 0) return 'subject alternative names are not allowed'
  return usagesProblem(usages, CLIENT_USAGES, 'client auth')
}

/** Why the signer refuses; undefined when it signs. */
export function signerProblem({ spec }: CertificateSigningRequest, subject: RequestedSubject): string | undefined {
  const usages = spec.usages ?? []
  switch (spec.signerName) {
    case KUBELET_SERVING:
      if (!isNode(subject)) return 'subject organization is not system:nodes, or common name does not begin with system:node:'
      if (subject.dnsNames.length + subject.ipAddresses.length === 0) return 'at least one DNS or IP subjectAltName is required'
      if (subject.emailAddresses.length + subject.uris.length > 0) return 'email and URI subjectAltNames are not allowed'
      return usagesProblem(usages, SERVING_USAGES, 'server auth')
    case KUBELET_CLIENT:
      return kubeletClientProblem(subject, usages)
    case API_CLIENT:
      return usages.includes('client auth') && usages.every((usage) => CLIENT_USAGES.has(usage))
        ? undefined
        : 'usages did not match those permitted'
    default:
      return undefined
  }
}
