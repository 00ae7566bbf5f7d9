/** The 409 of an apply that would change fields of other managers. */
import { newStatusError, type StatusError } from '../../api/status.ts'
import { type FieldSet, pathsOf } from './fieldSet.ts'
import { compareText, type Managers, type ManagerId } from './managedFields.ts'

export function newApplyConflict(conflicts: ReadonlyMap<string, FieldSet>, managers: Managers): StatusError {
  const parties = [...conflicts]
    .sort(([a], [b]) => compareText(a, b))
    .map(([key, fields]) => ({ name: printManager(managers.get(key)?.id), paths: pathsOf(fields) }))
  const causes = parties.flatMap(({ name, paths }) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${name}`, field })),
  )
  return newStatusError(409, 'Conflict', conflictMessage(parties, causes.length), { causes })
}

function conflictMessage(parties: readonly { name: string; paths: readonly string[] }[], count: number): string {
  const [first] = parties
  if (first && count === 1) return `Apply failed with 1 conflict: conflict with ${first.name}: ${first.paths[0] ?? ''}`
  const lines = parties.flatMap(({ name, paths }) => [`conflicts with ${name}:`, ...paths.map((path) => `- ${path}`)])
  return `Apply failed with ${count} conflicts: ${lines.join('\n')}`
}

function printManager(id: ManagerId | undefined): string {
  const name = JSON.stringify(id?.manager ?? '')
  const subresource = id?.subresource ? ` with subresource ${JSON.stringify(id.subresource)}` : ''
  return `${name}${subresource}${id?.operation === 'Update' ? ` using ${id.apiVersion}` : ''}`
}
