/** Tables of custom resources: the columns stand in their definition; name and age where it has none. */
import type { CatalogResource, PrinterColumn } from '../../api/catalog/catalog.ts'
import { sortedKeys } from '../../api/jsonValues.ts'
import type { KubeObject } from '../../api/resource.ts'
import { showDouble } from '../../api/validation/fieldErrors.ts'
import { CREATION_TIMESTAMP, name, nameOf } from './columns.ts'
import { since } from './format.ts'
import { parseJsonPath, type JsonPath } from './jsonPath.ts'
import { findAll } from './jsonPathSearch.ts'
import type { Cell, Column, Printer } from './printer.ts'

const AGE_COLUMN: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: CREATION_TIMESTAMP,
}

const TYPED = new Set(['integer', 'number', 'boolean', 'date'])

const INT64_LIMIT = 2 ** 63
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)$/

/** Go's conversion of a double: what does not fit is the smallest int there is. */
function toInt64(value: number): number | bigint {
  return Math.abs(value) < INT64_LIMIT ? Math.trunc(value) : -(2n ** 63n)
}

function age(text: string, nowMs: number): string {
  if (text === '' || text === 'null') return '<unknown>'
  return TIMESTAMP.test(text) && !Number.isNaN(Date.parse(text)) ? since(text, nowMs) : '<invalid>'
}

/** Texts are shown by Go's templates, maps and lists as Go's JSON: sorted, and with nothing in it that HTML would take for its own. */
function shown(value: unknown): string {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : showDouble(value)
  if (typeof value !== 'object') return String(value)
  return JSON.stringify(sortedKeys(value)).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)
}

function cell({ column, path }: { column: PrinterColumn; path: JsonPath }, object: KubeObject, nowMs: number): Cell {
  const value = findAll(path, object)?.[0]
  if (value === undefined) return null
  // Go's templates, which upstream prints texts with, have a word for it.
  if (value === null) return TYPED.has(column.type) ? null : '<no value>'
  switch (column.type) {
    case 'integer':
      return typeof value === 'number' ? toInt64(value) : typeof value === 'bigint' ? value : null
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      return typeof value === 'string' ? age(value, nowMs) : null
    default:
      return shown(value)
  }
}

/** Up to the first column whose path cannot be read. */
function readColumns(columns: readonly PrinterColumn[]): { column: PrinterColumn; path: JsonPath }[] {
  const read = columns.map((column) => ({ column, path: parseJsonPath(column.jsonPath) }))
  const end = read.findIndex(({ path }) => path === undefined)
  return (end < 0 ? read : read.slice(0, end)) as { column: PrinterColumn; path: JsonPath }[]
}

export function customPrinter(resource: CatalogResource): Printer {
  const columns = readColumns(resource.printerColumns?.length ? resource.printerColumns : [AGE_COLUMN])
  const definitions = columns.map(({ column }): Column => ({
    name: column.name,
    type: column.type as Column['type'],
    ...(column.format && { format: column.format as 'name' }),
    ...(column.priority && { priority: column.priority }),
    description: column.description || `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
  }))
  return {
    columns: [name, ...definitions],
    cells: (object, nowMs) => [nameOf(object), ...columns.map((column) => cell(column, object, nowMs))],
  }
}
