/** Tables of custom resources: the columns stand in their definition; name and age where it has none. */
import type { CatalogResource, PrinterColumn } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import { name, nameOf } from './columns.ts'
import { since } from './format.ts'
import { findAll, parseJsonPath } from './jsonPath.ts'
import type { JsonPath } from './jsonPath.ts'
import type { Cell, Column, Printer } from './printer.ts'

const AGE_COLUMN: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

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

function cell(column: PrinterColumn, path: JsonPath | undefined, object: KubeObject, nowMs: number): Cell {
  const value = path ? findAll(path, object)[0] : undefined
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
      return typeof value === 'object' ? JSON.stringify(value) : String(value)
  }
}

export function customPrinter(resource: CatalogResource): Printer {
  const columns = (resource.printerColumns?.length ? resource.printerColumns : [AGE_COLUMN]).map((column) => ({
    column,
    path: parseJsonPath(column.jsonPath),
  }))
  const definitions = columns.map(({ column }): Column => ({
    name: column.name,
    type: column.type as Column['type'],
    ...(column.format && { format: column.format as 'name' }),
    ...(column.priority && { priority: column.priority }),
    ...(column.description && { description: column.description }),
  }))
  return {
    columns: [name, ...definitions],
    cells: (object, nowMs) => [nameOf(object), ...columns.map(({ column, path }) => cell(column, path, object, nowMs))],
  }
}
