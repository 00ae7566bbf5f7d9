/** How a table is written down: a printer is a list of columns, and a column says what stands in its cell. */
import type { KubeObject } from '../../api/resource.ts'
import { since } from './format.ts'
import type { Cell, Column, Printer } from './printer.ts'

export type Printers = Readonly<Record<string, Printer>>

interface ColumnOf<T> extends Column {
  cell(row: T, nowMs: number): Cell
}

type CellOf<T> = (row: T, nowMs: number) => Cell
type Named = Pick<KubeObject, 'metadata'>

export function text<T>(name: string, cell: CellOf<T>): ColumnOf<T> {
  return { name, type: 'string', cell }
}

export function integer<T>(name: string, cell: CellOf<T>): ColumnOf<T> {
  return { name, type: 'integer', cell }
}

export function boolean<T>(name: string, cell: CellOf<T>): ColumnOf<T> {
  return { name, type: 'boolean', cell }
}

/** Shown by `-o wide` only. */
export function wide<T>(column: ColumnOf<T>): ColumnOf<T> {
  return { ...column, priority: 1 }
}

/** A column of what a row has inside. */
export function inside<T, Part>(part: (row: T) => Part, column: ColumnOf<Part>): ColumnOf<T> {
  return { ...column, cell: (row, nowMs) => column.cell(part(row), nowMs) }
}

/** '' for the empty object of a bookmark. */
export const nameOf = ({ metadata }: Named): string => metadata.name ?? ''

/** The object's name, or what else is written for it. */
export function named<T extends Named>(cell: CellOf<T> = nameOf): ColumnOf<T> {
  return { name: 'Name', type: 'string', format: 'name', cell }
}

export const name: ColumnOf<Named> = named()
export const age: ColumnOf<Named> = text('Age', ({ metadata }, nowMs) => since(metadata.creationTimestamp, nowMs))

/** What cells are made of that several columns of a row share, worked out once for the row. */
export function printerOf<T extends KubeObject, Row>(rowOf: (object: T) => Row, columns: readonly ColumnOf<Row>[]): Printer {
  return {
    columns,
    cells(object, nowMs) {
      const row = rowOf(object as T)
      return columns.map((column) => column.cell(row, nowMs))
    },
  }
}

export function printer<T extends KubeObject>(...columns: readonly ColumnOf<T>[]): Printer {
  return printerOf((object: T) => object, columns)
}
