/** The node container runs. */
import { followBoot } from '../bootLog.ts'
import { explainStartError, inspectNode, lacksCapability, nodeContainer, stopTimeoutSeconds } from '../nodeContainer.ts'
import { writeProfile } from '../profile.ts'
import { UserError } from '../userError.ts'
import { createContainer } from './createStep.ts'
import type { StartContext } from './startContext.ts'
import type { Step } from './steps.ts'

export const bootStep: Step<StartContext> = {
  name: 'start',
  message: 'Starting the node container',
  async run(context, { signal }) {
    const engine = context.requireEngine()
    const { name } = context.requireProfile()
    const container = nodeContainer(engine, name)
    if (context.stateBefore?.paused) await container.unpause()
    else if (!context.stateBefore?.running) await startContainer(context)
    const state = await inspectNode(engine.address, name, signal)
    if (!state)
      throw new UserError({
        area: 'GUEST',
        sort: 'NOT_FOUND',
        message: 'the node container disappeared while it was started',
        hint: 'Somebody removed it meanwhile. Start again: minicube start',
      })
    context.boot = await followBoot(container, state.startedAt)
    context.bootSignal = AbortSignal.timeout(context.timeoutMs)
  },
  async undo(context) {
    context.boot?.close()
    if (!context.before || context.stateBefore?.running) return
    await nodeContainer(context.requireEngine(), context.options.profile).stop({ t: stopTimeoutSeconds(context.before) })
  },
}

async function startContainer(context: StartContext): Promise<void> {
  const engine = context.requireEngine()
  const profile = context.requireProfile()
  try {
    await nodeContainer(engine, profile.name).start()
  } catch (error) {
    // 304: the engine, started a moment ago, has started it again by itself.
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 304) return
    if (profile.containerMode !== 'privileged' || !lacksCapability(error)) throw explainStartError(error, profile)
    context.reporter.onDetail('the engine refused a privileged container')
    await nodeContainer(engine, profile.name).remove({ force: true })
    await createContainer(context, 'capabilities')
    await writeProfile(context.home, context.requireProfile())
    await nodeContainer(engine, profile.name)
      .start()
      .catch((second: unknown) => Promise.reject(explainStartError(second, profile)))
  }
}
