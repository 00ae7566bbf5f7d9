/** Text tables, in kubectl's manner: columns padded with three spaces between, no borders. */
import { printable } from '../base/printable.ts'

const GAP = '   '

/** How wide the table is, in characters. */
function widthOf(header: readonly string[], rows: readonly (readonly string[])[]): number {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  return widths.reduce((sum, width) => sum + width, GAP.length * (header.length - 1))
}

export interface NarrowTable {
  /** Of the terminal, in characters; undefined where there is none, and nothing is left out. */
  columns: number | undefined
  /** Titles of what can be done without, the first to go first. */
  dispensable: readonly string[]
}

/** The table without as many columns as it takes to fit. */
export function fitting(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { columns, dispensable }: NarrowTable,
): { header: readonly string[]; rows: readonly (readonly string[])[] } {
  const [first, ...others] = dispensable
  if (columns === undefined || first === undefined || widthOf(header, rows) <= columns) return { header, rows }
  const without = (cells: readonly string[]): string[] => cells.filter((_, column) => header[column] !== first)
  return fitting(without(header), rows.map(without), { columns, dispensable: others })
}

export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((cells) => cells.map(printable))
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join(GAP)
          .trimEnd()}\n`,
    )
    .join('')
}
