/** What plugins leave of metadata.managedFields has to be readable: otherwise it is as it was before them. */
import { BadManagedFields, decodeManagedFields } from '../../merge/apply/managedFields.ts'
import type { KubeObject } from '../../api/resource.ts'

interface Guarded {
  object?: KubeObject
  readonly warnings: string[]
}

const WARNING =
  '.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: '

/** To be called before admission; the result restores what was broken by it. */
export function guardManagedFields(request: Guarded): () => void {
  const before = request.object?.metadata?.managedFields
  return () => {
    const metadata = request.object?.metadata
    if (!metadata || metadata.managedFields === before) return
    try {
      decodeManagedFields(metadata.managedFields)
    } catch (error) {
      if (!(error instanceof BadManagedFields)) throw error
      if (before) metadata.managedFields = before
      else delete metadata.managedFields
      request.warnings.push(WARNING + error.message)
    }
  }
}
