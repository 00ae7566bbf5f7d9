/** The node image is there, or made. */
import { join } from 'node:path'
import type { EngineInfo } from '../engine/engine.ts'
import { withFileLock } from '../fileLock.ts'
import { ensureNamedImage, ensureNodeImage } from '../nodeImage/nodeImage.ts'
import type { StartContext } from './startContext.ts'
import type { Step } from './steps.ts'

export const imageStep: Step<StartContext> = {
  name: 'image',
  message: 'Preparing the node image',
  async run(context, { signal, progress }) {
    const { options, before, reporter, info } = context
    const engine = context.requireEngine()
    const lock = {
      path: join(context.home, '.image.lock'),
      signal,
      onWait: () => reporter.onNotice('Waiting: another minicube is building the node image'),
    }
    const named = options.image ?? (before?.imagePinned ? before.image : undefined)
    context.image = named
      ? await ensureNamedImage(engine, named, progress, signal)
      : await withFileLock(lock, () =>
          ensureNodeImage({
            engine,
            architecture: (info as EngineInfo).architecture,
            installAllowed: options.installAllowed ?? true,
            onNotice: reporter.onNotice,
            onProgress: progress,
            signal,
          }),
        )
    reporter.onDetail(`node image: ${context.image}`)
  },
}
