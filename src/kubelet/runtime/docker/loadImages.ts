/** Hands the engine a tar of images (`docker save`'s format). */
import { createReadStream } from 'node:fs'
import { orAbort } from '../../../base/abort.ts'
import { createEngine } from './engine.ts'

/** Rejects with the engine's words when the tar is not taken. */
export async function loadImages(socketPath: string, tarPath: string, signal: AbortSignal): Promise<void> {
  const engine = await createEngine(socketPath)()
  const answer = await orAbort(engine.loadImage(createReadStream(tarPath), { quiet: true }), signal)
  let said = ''
  for await (const chunk of answer) said += String(chunk)
  const failure = /"error":"([^"]*)"/.exec(said)
  if (failure) throw new Error(`the engine did not take the images of ${tarPath}: ${failure[1]}`)
}
