/** Rows of metrics by their labels. */
import { createHash } from 'node:crypto'

export type Labels = Readonly<Record<string, string>>

/** The same row for the same labels. */
export function rowsOnce<Row>(make: (labels: Labels) => Row): (labels: Labels) => Row {
  const rows = new Map<string, Row>()
  return (labels) => {
    const key = Object.values(labels).join('\0')
    let row = rows.get(key)
    if (!row) rows.set(key, (row = make(labels)))
    return row
  }
}

/** How upstream tells names that are not everybody's business. */
export const hashed = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
