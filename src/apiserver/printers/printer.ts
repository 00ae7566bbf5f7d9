/** What a table printer of a kind is: its columns, and the cells of an object. */
import type { KubeObject } from '../../api/resource.ts'

export type Cell = string | number | bigint | boolean | null

export interface Column {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  /** `name` marks the column that names the object. */
  format?: 'name'
  /** Above 0: shown by `-o wide` only. */
  priority?: number
  description?: string
}

export interface RowCondition {
  type: 'Completed'
  status: 'True'
  reason: string
  message: string
}

export interface Printer {
  columns: readonly Column[]
  cells(object: KubeObject, nowMs: number): Cell[]
  conditions?(object: KubeObject): RowCondition[]
  /** Sorts a list's rows where it is not by name. */
  compare?(a: KubeObject, b: KubeObject): number
  /** An empty list answers `rows: null`. */
  nullWhenEmpty?: boolean
}
