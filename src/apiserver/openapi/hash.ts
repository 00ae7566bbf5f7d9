/** The name that a document goes by in URLs and entity tags: what it says, as upper-case hex. */
import { createHash } from 'node:crypto'

export function hashOf(bytes: Uint8Array): string {
  return createHash('sha512').update(bytes).digest('hex').toUpperCase()
}
