/** The node says how far it has come; its credentials come with the API server. */
import { setTimeout } from 'node:timers/promises'
import { isApiReady } from '../apiServer.ts'
import { type BootLog, type BootPhase, PHASE_MESSAGES } from '../bootLog.ts'
import { kubeconfigEntry, writeCredentials } from '../credentials.ts'
import { fetchCredentials } from '../fetchCredentials.ts'
import { nodeContainer } from '../nodeContainer.ts'
import { UserError } from '../userError.ts'
import type { StartContext } from './startContext.ts'
import type { Step, StepControl } from './steps.ts'

/** How often a node that was running already, but did not answer, is asked again. */
const REPAIR_CHECK_EVERY_MS = 250

async function waitFor(context: StartContext, phase: BootPhase, { signal }: StepControl): Promise<number> {
  const boot = context.boot as BootLog
  const timeout = context.bootSignal as AbortSignal
  try {
    return await boot.waitFor(phase, AbortSignal.any([signal, timeout]))
  } catch (error) {
    if (!timeout.aborted || signal.aborted || error instanceof UserError) throw error
    throw new UserError({
      area: 'GUEST',
      sort: 'TIMEOUT',
      message: `the cluster was not ready within ${context.timeoutMs / 1000} s: still waiting for ${PHASE_MESSAGES[phase]}`,
      hint: 'More time: --timeout 5m. What the node does: start with --retain, then minicube logs',
      cause: error,
    })
  }
}

export function phaseStep(phase: BootPhase): Step<StartContext> {
  return {
    name: `wait-${phase}`,
    message: `Waiting for ${PHASE_MESSAGES[phase]}`,
    async run(context, control) {
      const elapsedMs = await waitFor(context, phase, control)
      context.reporter.onDetail(`${PHASE_MESSAGES[phase]}: ${elapsedMs} ms after the node process started`)
    },
  }
}

export const apiStep: Step<StartContext> = {
  name: 'wait-api',
  message: `Waiting for ${PHASE_MESSAGES.api}`,
  async run(context, control) {
    await waitFor(context, 'api', control)
    const { name, hostApiPort } = context.requireProfile()
    const credentials = await fetchCredentials(nodeContainer(context.requireEngine(), name), hostApiPort)
    await writeCredentials(context.home, name, credentials)
    // The log of a node that was running already tells of its first boot; whether it works now it must say itself.
    while (context.stateBefore?.running && !(await isApiReady(credentials, control.signal))) {
      await setTimeout(REPAIR_CHECK_EVERY_MS, undefined, { signal: control.signal })
      if (context.bootSignal?.aborted)
        throw new UserError({
          area: 'K8S',
          sort: 'TIMEOUT',
          message: 'the node runs, but its API server does not answer',
          hint: `Restart it: minicube stop --profile ${name} && minicube start --profile ${name}`,
        })
    }
    context.credentialsEntry = kubeconfigEntry(name, credentials)
  },
}
