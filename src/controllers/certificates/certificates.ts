/** The certificate controllers: approve what kubelets ask for, sign what was approved, clean up what is old. */
import { certificatesigningrequests, type CertificateSigningRequest } from '../../api/kinds/certificates/v1.ts'
import { subjectaccessreviews } from '../../api/kinds/authorization/v1.ts'
import { timestamp } from '../../api/meta.ts'
import { isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { at } from '../ownership.ts'
import { KUBELET_CLIENT, kubeletClientProblem, signerProblem, SIGNERS, type CertificateSigner } from './signers.ts'

type Request = CertificateSigningRequest

const APPROVED_KEPT_MS = 60 * 60_000
const PENDING_KEPT_MS = 24 * 60 * 60_000

export function hasCondition(request: Request, type: 'Approved' | 'Denied' | 'Failed'): boolean {
  return (request.status?.conditions ?? []).some((condition) => condition.type === type)
}

const pemOf = (request: Request): string => Buffer.from(request.spec.request, 'base64').toString()

function withCondition(request: Request, condition: { type: string; reason: string; message: string }, nowMs: number): Request {
  const now = timestamp(nowMs)
  const conditions = [...(request.status?.conditions ?? []), { ...condition, status: 'True', lastUpdateTime: now, lastTransitionTime: now }]
  return { ...request, status: { ...request.status, conditions } }
}

export function certificateApprovingController({ client, informers, clock }: ControllerContext, signer: CertificateSigner): Controller {
  const informer = informers.for(certificatesigningrequests)

  async function isAllowed(request: Request, subresource: string, signal: AbortSignal): Promise<boolean> {
    const { username = '', uid = '', groups = [], extra } = request.spec
    const resourceAttributes = {
      group: 'certificates.k8s.io',
      resource: 'certificatesigningrequests',
      verb: 'create',
      version: '*',
      subresource,
    }
    const review = await client.create(
      subjectaccessreviews,
      { metadata: {}, spec: { user: username, uid, groups, ...(extra && { extra }), resourceAttributes } },
      { signal },
    )
    return review.status?.allowed === true
  }

  return {
    name: 'certificatesigningrequest-approving-controller',
    watches: [watch(certificatesigningrequests, (request) => [request.metadata.name])],
    async reconcile(key, signal) {
      const request = informer.get(key)
      if (!request || request.spec.signerName !== KUBELET_CLIENT || hasCondition(request, 'Approved') || hasCondition(request, 'Denied'))
        return
      const subject = await signer.inspect(pemOf(request)).catch(() => undefined)
      if (!subject || kubeletClientProblem(subject, request.spec.usages ?? [])) return
      const isSelf = subject.commonName === request.spec.username
      const rights = isSelf
        ? [
            ['selfnodeclient', 'self kubelet client'],
            ['nodeclient', 'kubelet client'],
          ]
        : [['nodeclient', 'kubelet client']]
      for (const [subresource = '', what] of rights) {
        if (!(await isAllowed(request, subresource, signal))) continue
        const message = `Auto approving ${what} certificate after SubjectAccessReview.`
        const approved = withCondition(request, { type: 'Approved', reason: 'AutoApproved', message }, clock.now())
        await client.update(certificatesigningrequests, approved, { subresource: 'approval', signal })
        return
      }
    },
  }
}

export function certificateSigningController({ client, informers, clock }: ControllerContext, signer: CertificateSigner): Controller {
  const informer = informers.for(certificatesigningrequests)
  return {
    name: 'certificatesigningrequest-signing-controller',
    watches: [watch(certificatesigningrequests, (request) => [request.metadata.name])],
    async reconcile(key, signal) {
      const request = informer.get(key)
      const ours = request && (SIGNERS as readonly string[]).includes(request.spec.signerName)
      if (
        !ours ||
        request.status?.certificate ||
        hasCondition(request, 'Denied') ||
        hasCondition(request, 'Failed') ||
        !hasCondition(request, 'Approved')
      )
        return
      const requestPem = pemOf(request)
      const problem = signerProblem(request, await signer.inspect(requestPem))
      if (problem) {
        const failed = withCondition(request, { type: 'Failed', reason: 'SignerValidationFailure', message: problem }, clock.now())
        await client.update(certificatesigningrequests, failed, { subresource: 'status', signal })
        return
      }
      const { usages = [], expirationSeconds } = request.spec
      const certificate = Buffer.from(await signer.sign({ requestPem, usages, expirationSeconds })).toString('base64')
      await client.update(
        certificatesigningrequests,
        { ...request, status: { ...request.status, certificate } },
        { subresource: 'status', signal },
      )
    },
  }
}

/** When a request is removed: an hour after it was decided, a day after it was made when nobody decided. */
export function cleanUpAtMs(request: Request): number {
  const decided = (request.status?.conditions ?? []).map((condition) => Date.parse(condition.lastUpdateTime ?? '')).filter(Number.isFinite)
  if (decided.length > 0) return Math.max(...decided) + APPROVED_KEPT_MS
  return Date.parse(request.metadata.creationTimestamp) + PENDING_KEPT_MS
}

export function certificateCleanerController({ client, informers, clock }: ControllerContext): Controller {
  const informer = informers.for(certificatesigningrequests)
  return {
    name: 'certificatesigningrequest-cleaner-controller',
    watches: [watch(certificatesigningrequests, (request) => [request.metadata.name])],
    async reconcile(key, signal): Promise<Outcome> {
      const request = informer.get(key)
      if (!request) return
      const leftMs = cleanUpAtMs(request) - clock.now()
      if (leftMs > 0) return { requeueAfterMs: leftMs }
      await client.delete(certificatesigningrequests, { ...at(request), signal }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error
      })
    },
  }
}
