/** What is allowed in a pod but unwise: shown as `Warning` headers. */
import type { ObjectMeta } from '../kinds/meta/v1.ts'
import type { PodSpec } from '../kinds/core/v1.ts'

export function podSpecWarnings(_spec: PodSpec, _meta: Partial<ObjectMeta>, _path: string, _metaPath: string): string[] {
  return []
}
