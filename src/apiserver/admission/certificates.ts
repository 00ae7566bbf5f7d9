/** CertificateApproval, CertificateSigning, CertificateSubjectRestriction: who may decide about which certificate. */
import { certificatesigningrequests } from '../../api/kinds/certificates/v1.ts'
import { forbid, isResource } from './admission.ts'
import type { CertificateSigningRequest } from '../../api/kinds/certificates/v1.ts'
import type { Authorizer } from '../request.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'

function isOn(request: AdmissionRequest, subresource: string): boolean {
  return isResource(request, certificatesigningrequests.group, certificatesigningrequests.resource, subresource)
}

/** The right on the signer itself, or on all signers of its domain. */
async function mayUseSigner(authorizer: Authorizer, request: AdmissionRequest, verb: string, signerName: string): Promise<boolean> {
  const domain = signerName.split('/')[0] ?? ''
  const { group } = certificatesigningrequests
  const right = { user: request.user, verb, group, version: '*', resource: 'signers', subresource: '', namespace: '', path: '' }
  for (const name of [signerName, `${domain}/*`]) if ((await authorizer.authorize({ ...right, name })).allowed) return true
  return false
}

export function createCertificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    async validate(request) {
      if (request.operation !== 'UPDATE' || !isOn(request, 'approval')) return
      const signerName = (request.oldObject as CertificateSigningRequest).spec.signerName
      if (await mayUseSigner(authorizer, request, 'approve', signerName)) return
      throw forbid(request, `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`)
    },
  }
}

export function createCertificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    async validate(request) {
      if (request.operation !== 'UPDATE' || !isOn(request, 'status')) return
      const old = request.oldObject as CertificateSigningRequest
      const next = request.object as CertificateSigningRequest
      if (JSON.stringify(next.status) === JSON.stringify(old.status)) return
      if (await mayUseSigner(authorizer, request, 'sign', old.spec.signerName)) return
      throw forbid(request, `user not permitted to sign requests with signerName ${JSON.stringify(old.spec.signerName)}`)
    },
  }
}

const CLIENT_SIGNER = 'kubernetes.io/kube-apiserver-client'
/** The organization system:masters as it stands in DER: UTF8String or PrintableString of that length. */
const MASTERS = ['\x0c\x0esystem:masters', '\x13\x0esystem:masters']

export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  validate(request) {
    if (request.operation !== 'CREATE' || !isOn(request, '')) return
    const { spec } = request.object as CertificateSigningRequest
    if (spec.signerName !== CLIENT_SIGNER) return
    const pem = Buffer.from(spec.request, 'base64').toString('latin1')
    const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64').toString('latin1')
    if (!MASTERS.some((text) => der.includes(text))) return
    throw forbid(request, `use of ${CLIENT_SIGNER} signer with system:masters group is not allowed`)
  },
}
