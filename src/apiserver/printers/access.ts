/** Tables of who may do what: bindings and certificate signing requests. */
import type { CertificateSigningRequest } from '../../api/kinds/certificates/v1.ts'
import type { ClusterRoleBinding, RoleBinding, Subject } from '../../api/kinds/rbac/v1.ts'
import { age, name, printer, text, wide, type Printers } from './columns.ts'
import { humanDuration } from './format.ts'

type Binding = RoleBinding | ClusterRoleBinding

function subjects({ subjects: all }: Binding, kind: Subject['kind'], shown: (subject: Subject) => string): string {
  return (all ?? [])
    .filter((subject) => subject.kind === kind)
    .map(shown)
    .join(', ')
}

const binding = printer<Binding>(
  name,
  text('Role', ({ roleRef }) => `${roleRef?.kind ?? ''}/${roleRef?.name ?? ''}`),
  age,
  wide(text('Users', (o) => subjects(o, 'User', (subject) => subject.name))),
  wide(text('Groups', (o) => subjects(o, 'Group', (subject) => subject.name))),
  wide(text('ServiceAccounts', (o) => subjects(o, 'ServiceAccount', (subject) => `${subject.namespace ?? ''}/${subject.name}`))),
)

function requestCondition({ status }: CertificateSigningRequest): string {
  const has = (type: string): boolean => (status?.conditions ?? []).some((condition) => condition.type === type)
  const decision = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'
  return [decision, ...(has('Failed') ? ['Failed'] : []), ...(status?.certificate ? ['Issued'] : [])].join(',')
}

export const accessPrinters: Printers = {
  'rbac.authorization.k8s.io/rolebindings': binding,
  'rbac.authorization.k8s.io/clusterrolebindings': binding,
  'certificates.k8s.io/certificatesigningrequests': printer<CertificateSigningRequest>(
    name,
    age,
    text('SignerName', ({ spec }) => spec?.signerName || '<none>'),
    text('Requestor', ({ spec }) => spec?.username ?? ''),
    text('RequestedDuration', ({ spec }) =>
      spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
    ),
    text('Condition', requestCondition),
  ),
}
