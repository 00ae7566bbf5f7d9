/** A file that readers, and whoever starts after a crash of this process, find whole: as it was, or as it is now. */
import { rename, writeFile } from 'node:fs/promises'

/** Readable for its owner alone. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await rename(`${path}.new`, path)
}
