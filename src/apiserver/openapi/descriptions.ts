import { readFile } from 'node:fs/promises'
import type { Descriptions } from './schemas.ts'

/**
 * Descriptions as `tools/catalog/descriptions.ts` writes them; undefined where the file is not there. To be read when the
 * first document is asked for: it is bigger than everything else the server knows of its kinds.
 */
export async function loadDescriptions(file: string, signal?: AbortSignal): Promise<Descriptions | undefined> {
  let text: string
  try {
    text = await readFile(file, { encoding: 'utf8', ...(signal && { signal }) })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const found = JSON.parse(text) as Record<string, Record<string, string>>
  return (definition, field = '') => found[definition]?.[field]
}
