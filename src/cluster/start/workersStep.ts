/** The other nodes of a cluster that has some. */
import { readCredentials } from '../credentials.ts'
import type { EngineInfo } from '../engine/engine.ts'
import { ensureWorkers, listWorkers, removeWorkers } from '../workers.ts'
import type { StartContext } from './startContext.ts'
import type { Step } from './steps.ts'

export const workersStep: Step<StartContext> = {
  name: 'workers',
  message: 'Adding the other nodes',
  async run(context, { signal, progress }) {
    const engine = context.requireEngine()
    const profile = context.requireProfile()
    context.hadWorkers = (await listWorkers(engine, profile.name)).length > 0
    const credentials = await readCredentials(context.home, profile.name)
    if (!credentials) throw new Error('the credentials are not known yet')
    const { env, home, info } = context
    await ensureWorkers({
      engine,
      info: info as EngineInfo,
      profile,
      credentials,
      env,
      home,
      onProgress: progress,
      signal: AbortSignal.any([signal, context.bootSignal ?? AbortSignal.timeout(context.timeoutMs)]),
    })
  },
  async undo(context) {
    if (!context.hadWorkers) await removeWorkers(context.requireEngine(), context.options.profile)
  },
}
