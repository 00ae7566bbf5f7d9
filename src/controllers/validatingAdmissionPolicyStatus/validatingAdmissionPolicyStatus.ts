/**
 * The validatingadmissionpolicy-status controller: writes into a policy's status which of its expressions do not fit the
 * types that it is about, and which generation was looked at. It warns; the policy works all the same.
 */
import { validatingadmissionpolicies } from '../../api/kinds/admissionregistration/v1.ts'
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { loadCatalog } from '../../api/catalog/load.ts'
import { watch } from '../../reconcile/controller.ts'
import type { Controller, ControllerContext } from '../../reconcile/controller.ts'
import { kindTypes } from './kindTypes.ts'
import { typeCheck } from './typeChecking.ts'

/** Upstream's controller by its own name; flags know it by the other one. */
const FIELD_MANAGER = 'validatingadmissionpolicy-status'

export function validatingAdmissionPolicyStatusController({ client, informers }: ControllerContext): Controller {
  const policies = informers.for(validatingadmissionpolicies)
  const definitions = informers.for(customresourcedefinitions)
  const types = kindTypes(loadCatalog(), () => definitions.list())
  return {
    name: 'validatingadmissionpolicy-status-controller',
    watches: [
      watch(validatingadmissionpolicies, ({ metadata }) => [metadata.name]),
      // Types have to be there before policies are checked against them.
      watch(customresourcedefinitions, () => []),
    ],
    async reconcile(key, signal) {
      const policy = policies.get(key)
      const generation = policy?.metadata.generation ?? 0
      if (!policy || generation <= (policy.status?.observedGeneration ?? 0)) return
      const expressionWarnings = typeCheck(policy, types)
      const { kind = 'ValidatingAdmissionPolicy', apiVersion = 'admissionregistration.k8s.io/v1' } = policy
      const status = { observedGeneration: generation, typeChecking: expressionWarnings.length > 0 ? { expressionWarnings } : {} }
      await client.patch(
        validatingadmissionpolicies,
        { name: key, subresource: 'status', type: 'application/apply-patch+yaml', fieldManager: FIELD_MANAGER, force: true, signal },
        { kind, apiVersion, metadata: { name: key }, status },
      )
    },
  }
}
