import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CatalogResource, PrinterColumn } from '../../api/catalog/catalog.ts'
import { customPrinter } from './customResources.ts'

test('columns of custom resources show values as Go reads them', () => {
  const nowMs = Date.parse('2026-01-02T00:00:00Z')
  const cases: [type: string, value: unknown, cell: unknown][] = [
    ['date', '2026-01-01T00:00:00Z', '24h'],
    ['date', '1', '<invalid>'],
    ['date', '2026-01-01', '<invalid>'],
    ['date', '', '<unknown>'],
    ['date', 5, null],
    ['integer', 1.5, 1],
    ['integer', 1e21, -(2n ** 63n)],
    ['integer', '3', null],
  ]
  for (const [type, value, cell] of cases) {
    const column: PrinterColumn = { name: 'C', type, jsonPath: '.spec.v' }
    const printer = customPrinter({ printerColumns: [column] } as unknown as CatalogResource)
    const object = { metadata: { name: 'a' }, spec: { v: value } } as never
    assert.deepEqual(printer.cells(object, nowMs)[1], cell, `${type} ${String(value)}`)
  }
})
