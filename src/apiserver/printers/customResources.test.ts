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
    ['string', 0.00001, '1e-05'],
    ['string', 1234567.5, '1.2345675e+06'],
    ['string', { b: 1, a: '<&>' }, String.raw`{"a":"\u003c\u0026\u003e","b":1}`],
  ]
  for (const [type, value, cell] of cases) {
    const column: PrinterColumn = { name: 'C', type, jsonPath: '.spec.v' }
    const printer = customPrinter({ printerColumns: [column] } as unknown as CatalogResource)
    const object = { metadata: { name: 'a' }, spec: { v: value } } as never
    assert.deepEqual(printer.cells(object, nowMs)[1], cell, `${type} ${String(value)}`)
  }
})

test('columns end before the first whose path cannot be read', () => {
  const column = (name: string, jsonPath: string): PrinterColumn => ({ name, type: 'string', jsonPath })
  const printerColumns = [column('A', '.spec.a'), column('B', '.spec["b"]'), column('C', '.spec.c')]
  const printer = customPrinter({ printerColumns } as unknown as CatalogResource)
  assert.deepEqual(
    printer.columns.map(({ name, description = '' }) => [name, description.split('. ')[0]]),
    [
      ['Name', 'Name must be unique within a namespace'],
      ['A', 'Custom resource definition column (in JSONPath format): .spec.a'],
    ],
  )
})
