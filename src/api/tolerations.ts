/** Tolerations of taints (k8s.io/component-helpers/scheduling/corev1). */
import type { Taint, Toleration } from './kinds/core/v1.ts'

export function tolerates({ key, operator = 'Equal', value = '', effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false
  if (key && key !== taint.key) return false
  return operator === 'Exists' || (operator === 'Equal' && Boolean(key) && value === (taint.value ?? ''))
}
