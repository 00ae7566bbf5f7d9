/** What is left of a node in its engine, and how it goes. */
import type { Engine } from './engine/engine.ts'
import { containerName, volumeName } from './names.ts'

/** Removes the container and its volume, whichever are there. */
export async function removeNode(engine: Engine, node: string, { keepVolume = false } = {}): Promise<void> {
  const gone = (error: unknown): void => {
    if (!(error instanceof Error && 'statusCode' in error && error.statusCode === 404)) throw error
  }
  await engine.docker.getContainer(containerName(node)).remove({ force: true, v: true }).catch(gone)
  if (keepVolume) return
  await engine.docker.getVolume(volumeName(node)).remove({ force: true }).catch(gone)
}
