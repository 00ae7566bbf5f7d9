/** NamespaceLifecycle: nothing is created where there is no namespace or where it ends; some namespaces stay. */
import { namespaces } from '../../api/kinds/core/v1.ts'
import { newForbidden, newNotFound } from '../../api/status.ts'
import { isResource } from './admission.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'

const PROTECTED = new Set(['default', 'kube-system', 'kube-public'])
/** Reviews of access make sense in namespaces that are not there. */
const REVIEWS = new Set(['localsubjectaccessreviews'])

function checkCreate(request: AdmissionRequest, reader: ObjectReader): void {
  const { namespace, resource } = request
  const found = reader.get(namespaces, '', namespace)
  if (!found) throw newNotFound(namespaces, namespace)
  if (found.status?.phase !== 'Terminating' && !found.metadata.deletionTimestamp) return
  const name = request.name || request.object?.metadata.name || request.object?.metadata.generateName || ''
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const refusal = newForbidden(resource, name, why)
  const cause = { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }
  refusal.status.details = { ...refusal.status.details, causes: [cause] }
  throw refusal
}

export function createNamespaceLifecycle(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    admit(request) {
      if (isResource(request, '', 'namespaces')) {
        if (request.operation === 'DELETE' && PROTECTED.has(request.name)) {
          throw newForbidden(request.resource, request.name, 'this namespace may not be deleted')
        }
        return
      }
      if (request.operation === 'CREATE' && request.namespace && !REVIEWS.has(request.resource.resource)) checkCreate(request, reader)
    },
  }
}
