/** rbac.authorization.k8s.io: names are path segments, PUT creates. */
import { isPathSegmentName } from '../../../api/validation/names.ts'
import { validateBinding, validateBindingChange, validateClusterRole, validateRole } from '../../../api/validation/rbac.ts'
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../../api/kinds/rbac/v1.ts'
import type { Strategy } from '../strategy.ts'

const common = {
  updateChecks: ['new', 'own', 'change', 'changed'] as const,
  allowCreateOnUpdate: true,
  validateName: (name: string) => isPathSegmentName(name, false),
}

const roles: Strategy<Role> = { ...common, validateCreate: validateRole, validateUpdate: validateRole }
const clusterRoles: Strategy<ClusterRole> = { ...common, validateCreate: validateClusterRole, validateUpdate: validateClusterRole }
const bindings: Strategy<RoleBinding> = {
  ...common,
  validateCreate: (b) => validateBinding(b, true),
  validateUpdate: (b) => validateBinding(b, true),
  validateChanged: validateBindingChange,
}
const clusterBindings: Strategy<ClusterRoleBinding> = {
  ...common,
  validateCreate: (b) => validateBinding(b, false),
  validateUpdate: (b) => validateBinding(b, false),
  validateChanged: validateBindingChange,
}

export const rbacStrategies: Record<string, Strategy> = {
  'rbac.authorization.k8s.io/roles': roles as Strategy,
  'rbac.authorization.k8s.io/clusterroles': clusterRoles as Strategy,
  'rbac.authorization.k8s.io/rolebindings': bindings as Strategy,
  'rbac.authorization.k8s.io/clusterrolebindings': clusterBindings as Strategy,
}
