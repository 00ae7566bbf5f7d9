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

/** What ObjectMeta's own documentation says of them. */
const NAME =
  'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names'
export const CREATION_TIMESTAMP =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata'

/** '' for the empty object of a bookmark. */
export const nameOf = ({ metadata }: Named): string => metadata.name ?? ''

/** The object's name, or what else is written for it. */
export function named<T extends Named>(cell: CellOf<T> = nameOf): ColumnOf<T> {
  return { name: 'Name', type: 'string', format: 'name', description: NAME, cell }
}

export const name: ColumnOf<Named> = named()
export const age: ColumnOf<Named> = {
  ...text<Named>('Age', ({ metadata }, nowMs) => since(metadata.creationTimestamp, nowMs)),
  description: CREATION_TIMESTAMP,
}

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
