/** Tables of what decides on requests: webhooks and policies. */
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '../../api/kinds/admissionregistration/v1.ts'
import { age, integer, name, printer, text, type Printers } from './columns.ts'
import { goSelector } from './format.ts'

type Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy
type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding

const webhooks = printer<MutatingWebhookConfiguration | ValidatingWebhookConfiguration>(
  name,
  integer('Webhooks', (configuration) => configuration.webhooks?.length ?? 0),
  age,
)

function paramKind({ spec }: Policy): string {
  const kind = spec?.paramKind
  return kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : '<unset>'
}

function paramRef({ spec }: Binding): string {
  const { name: paramName, namespace, selector } = spec?.paramRef ?? {}
  if (paramName) return `${namespace || '*'}/${paramName}`
  return selector ? goSelector(selector) : '<unset>'
}

const binding = printer<Binding>(
  name,
  text('PolicyName', ({ spec }) => spec?.policyName ?? ''),
  text('ParamRef', paramRef),
  age,
)

export const admissionPrinters: Printers = {
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': webhooks,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': webhooks,
  'admissionregistration.k8s.io/validatingadmissionpolicies': printer<ValidatingAdmissionPolicy>(
    name,
    integer('Validations', ({ spec }) => spec?.validations?.length ?? 0),
    text('ParamKind', paramKind),
    age,
  ),
  'admissionregistration.k8s.io/mutatingadmissionpolicies': printer<MutatingAdmissionPolicy>(
    name,
    integer('Mutations', ({ spec }) => spec?.mutations?.length ?? 0),
    text('ParamKind', paramKind),
    age,
  ),
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': binding,
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': binding,
}
