/** serviceaccounts/token: a TokenRequest is checked here, issued by whoever holds the key. */
import { pods as podResource, secrets as secretResource, nodes as nodeResource } from '../../../api/kinds/core/v1.ts'
import { newBadRequest, newConflict, newInvalid, newNotFound } from '../../../api/status.ts'
import { invalid } from '../../../api/validation/fieldErrors.ts'
import { matchNamespace } from '../objectMeta.ts'
import { parseCreateOptions } from '../options.ts'
import { trackUpdate } from '../fieldManagement.ts'
import { admissionRequest, bodyObject, tracking } from '../writes.ts'
import type { TokenRequest, TokenRequestSpec } from '../../../api/kinds/authentication/v1.ts'
import type { CatalogResource } from '../../../api/catalog/catalog.ts'
import type { FieldError } from '../../../api/status.ts'
import type { JsonObject, KubeObject } from '../../../api/resource.ts'
import type { ApiRequest } from '../../request.ts'
import type { RegistryCore } from '../registryCore.ts'
import type { TokenSubject } from '../tokens.ts'
import type { SubresourceHandler } from '../registryCore.ts'

const SHORTEST_SECONDS = 600
const LONGEST_SECONDS = 2 ** 32
const DEFAULT_SECONDS = 3_600

function checkSpec(spec: TokenRequestSpec): void {
  const errors: FieldError[] = []
  const seconds = spec.expirationSeconds ?? DEFAULT_SECONDS
  if (seconds < SHORTEST_SECONDS) errors.push(invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 10 minutes'))
  if (seconds > LONGEST_SECONDS)
    errors.push(invalid('spec.expirationSeconds', seconds, 'may not specify a duration larger than 2^32 seconds'))
  if (errors.length > 0) throw newInvalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', errors)
}

/** As Go prints it: the core group's has a slash in front. */
function groupVersionText(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion : `/${apiVersion}`
}

function boundTo(
  core: RegistryCore,
  request: ApiRequest,
  reference: NonNullable<TokenRequestSpec['boundObjectRef']>,
): Partial<TokenSubject> {
  const { kind, name = '', uid } = reference
  const found = (object: KubeObject | undefined, resource: string): { name: string; uid: string } => {
    if (!object) throw newNotFound({ group: '', resource }, name)
    if (uid && uid !== object.metadata.uid) {
      throw newConflict(
        { group: '', resource: kind ?? '' },
        name,
        `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      )
    }
    return { name, uid: object.metadata.uid }
  }
  const { namespace } = request
  // Of the core group, in whichever version.
  const isCore = !reference.apiVersion?.includes('/')
  if (isCore && name === '' && ['Pod', 'Secret', 'Node'].includes(kind ?? '')) throw newBadRequest('Name parameter required.')
  switch (isCore ? kind : undefined) {
    case 'Pod': {
      const pod = core.reader.get(podResource, namespace, name)
      const bound = found(pod, 'pods')
      if (pod && pod.spec.serviceAccountName !== request.name) {
        throw newBadRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(request.name)} to pod running with different serviceaccount name.`,
        )
      }
      const node = pod?.spec.nodeName ? core.reader.get(nodeResource, '', pod.spec.nodeName) : undefined
      return { pod: bound, ...(pod?.spec.nodeName && { node: { name: pod.spec.nodeName, uid: node?.metadata.uid ?? '' } }) }
    }
    case 'Secret':
      return { secret: found(core.reader.get(secretResource, namespace, name), 'secrets') }
    case 'Node':
      return { node: found(core.reader.get(nodeResource, '', name), 'nodes') }
    default:
      throw newBadRequest(`cannot bind token to object of type ${groupVersionText(reference.apiVersion ?? '')}, Kind=${kind ?? ''}`)
  }
}

export const createToken: SubresourceHandler = async (core, kind, request) => {
  const options = parseCreateOptions(request)
  const body = bodyObject(request) as unknown as TokenRequest
  const { name: named } = body.metadata ?? {}
  if (named && named !== request.name) {
    throw newInvalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, request.name, [
      invalid('metadata.name', named, 'must match the service account name if specified'),
    ])
  }
  matchNamespace(body as unknown as KubeObject, request.resource, request.namespace)
  const account = core.objects.get(kind, request.namespace, request.name).object
  const { name, namespace = '', uid } = account.metadata
  const metadata = { ...body.metadata, namespace }
  const received = { ...body, metadata, spec: { ...body.spec, expirationSeconds: body.spec?.expirationSeconds ?? DEFAULT_SECONDS } }
  const admission = admissionRequest(request, kind, 'CREATE', received as unknown as KubeObject, undefined, options)
  await core.admission.admit(admission)
  const admitted = admission.object as unknown as TokenRequest
  const asked: TokenRequestSpec = { ...admitted.spec }
  // Audiences that nobody asked for are filled in after the first round, as upstream does it.
  const audiences = asked.audiences?.length ? asked.audiences : [...core.tokens.defaultAudiences]
  const spec = { ...asked, audiences, expirationSeconds: asked.expirationSeconds ?? DEFAULT_SECONDS }
  checkSpec(spec)
  const object = {
    ...admitted,
    metadata: { ...admitted.metadata, name, namespace, uid, creationTimestamp: core.objects.now() },
    spec,
  } as unknown as KubeObject
  await core.admission.validate(admissionRequest(request, kind, 'CREATE', object, undefined, options))
  const subject: TokenSubject = {
    namespace,
    serviceAccount: { name, uid },
    ...(spec.boundObjectRef && boundTo(core, request, spec.boundObjectRef)),
  }
  const issued = await core.tokens.issue(subject, { audiences: spec.audiences, expirationSeconds: spec.expirationSeconds, spec })
  const answer = {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: object.metadata,
    spec: { audiences: spec.audiences, expirationSeconds: spec.expirationSeconds, boundObjectRef: spec.boundObjectRef ?? null },
    status: { token: issued.token, expirationTimestamp: issued.expirationTimestamp },
  }
  const type = core.catalog.typeOfKind({ group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' })
  if (type) {
    const resource: CatalogResource = { ...request.resource, group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest', type }
    // The server's own audiences are nobody's.
    const tracked = { ...object, spec: asked }
    trackUpdate(tracked, undefined, { ...tracking(core, kind, request, options), resource })
  }
  return { type: 'object', code: 201, object: answer as unknown as JsonObject }
}
