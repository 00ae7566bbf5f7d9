/** Roles of the system namespaces, and all bindings but those of the controllers. */
import type { BindingRow, RoleRow } from './rows.ts'

export const NAMESPACE_ROLES: readonly (RoleRow & { namespace: string })[] = [
  {
    name: 'system:controller:bootstrap-signer',
    namespace: 'kube-public',
    rules: [
      ['get,list,watch', '', 'configmaps'],
      ['update', '', 'configmaps', 'cluster-info'],
      ['create,patch,update', ',events.k8s.io', 'events'],
    ],
  },
  {
    name: 'extension-apiserver-authentication-reader',
    namespace: 'kube-system',
    rules: [['get,list,watch', '', 'configmaps', 'extension-apiserver-authentication']],
  },
  {
    name: 'system::leader-locking-kube-controller-manager',
    namespace: 'kube-system',
    rules: [
      ['create,get,list,update,watch', 'coordination.k8s.io', 'leases'],
      ['create,get,list,update,watch', 'coordination.k8s.io', 'leasecandidates'],
    ],
  },
  {
    name: 'system::leader-locking-kube-scheduler',
    namespace: 'kube-system',
    rules: [
      ['create,get,list,update,watch', 'coordination.k8s.io', 'leases'],
      ['create,get,list,update,watch', 'coordination.k8s.io', 'leasecandidates'],
    ],
  },
  {
    name: 'system:controller:bootstrap-signer',
    namespace: 'kube-system',
    rules: [['get,list,watch', '', 'secrets']],
  },
  {
    name: 'system:controller:cloud-provider',
    namespace: 'kube-system',
    rules: [['create,get,list,watch', '', 'configmaps']],
  },
  {
    name: 'system:controller:token-cleaner',
    namespace: 'kube-system',
    rules: [
      ['delete,get,list,watch', '', 'secrets'],
      ['create,patch,update', ',events.k8s.io', 'events'],
    ],
  },
]

/** A subject is its kind and name; a service account's name has its namespace in front. */
export const CLUSTER_ROLE_BINDINGS: readonly BindingRow[] = [
  { name: 'cluster-admin', role: 'cluster-admin', subjects: ['group system:masters'] },
  { name: 'system:basic-user', role: 'system:basic-user', subjects: ['group system:authenticated'] },
  { name: 'system:discovery', role: 'system:discovery', subjects: ['group system:authenticated'] },
  { name: 'system:kube-controller-manager', role: 'system:kube-controller-manager', subjects: ['user system:kube-controller-manager'] },
  { name: 'system:kube-dns', role: 'system:kube-dns', subjects: ['account kube-system/kube-dns'] },
  { name: 'system:kube-scheduler', role: 'system:kube-scheduler', subjects: ['user system:kube-scheduler'] },
  { name: 'system:monitoring', role: 'system:monitoring', subjects: ['group system:monitoring'] },
  { name: 'system:node', role: 'system:node', subjects: [] },
  { name: 'system:node-proxier', role: 'system:node-proxier', subjects: ['user system:kube-proxy'] },
  {
    name: 'system:public-info-viewer',
    role: 'system:public-info-viewer',
    subjects: ['group system:authenticated', 'group system:unauthenticated'],
  },
  {
    name: 'system:service-account-issuer-discovery',
    role: 'system:service-account-issuer-discovery',
    subjects: ['group system:serviceaccounts'],
  },
  { name: 'system:volume-scheduler', role: 'system:volume-scheduler', subjects: ['user system:kube-scheduler'] },
]

export const ROLE_BINDINGS: readonly (BindingRow & { namespace: string })[] = [
  {
    name: 'system:controller:bootstrap-signer',
    namespace: 'kube-public',
    role: 'system:controller:bootstrap-signer',
    subjects: ['account kube-system/bootstrap-signer'],
  },
  {
    name: 'system::extension-apiserver-authentication-reader',
    namespace: 'kube-system',
    role: 'extension-apiserver-authentication-reader',
    subjects: ['user system:kube-controller-manager', 'user system:kube-scheduler'],
  },
  {
    name: 'system::leader-locking-kube-controller-manager',
    namespace: 'kube-system',
    role: 'system::leader-locking-kube-controller-manager',
    subjects: [
      'user system:kube-controller-manager',
      'account kube-system/kube-controller-manager',
      'account kube-system/leader-election-controller',
    ],
  },
  {
    name: 'system::leader-locking-kube-scheduler',
    namespace: 'kube-system',
    role: 'system::leader-locking-kube-scheduler',
    subjects: ['user system:kube-scheduler', 'account kube-system/kube-scheduler'],
  },
  {
    name: 'system:controller:bootstrap-signer',
    namespace: 'kube-system',
    role: 'system:controller:bootstrap-signer',
    subjects: ['account kube-system/bootstrap-signer'],
  },
  {
    name: 'system:controller:cloud-provider',
    namespace: 'kube-system',
    role: 'system:controller:cloud-provider',
    subjects: ['account kube-system/cloud-provider'],
  },
  {
    name: 'system:controller:token-cleaner',
    namespace: 'kube-system',
    role: 'system:controller:token-cleaner',
    subjects: ['account kube-system/token-cleaner'],
  },
]
