import { writeEvents } from '../../cluster/profile.ts'
import { minicubeHome } from '../../cluster/home.ts'
import { parseMemory } from '../../cluster/ports.ts'
import { startCluster } from '../../cluster/start/startCluster.ts'
import type { StepReporter } from '../../cluster/start/steps.ts'
import type { CliContext } from '../context.ts'
import { explainMachine } from '../printError.ts'
import { bothReporters, cloudEvent, errorEvent, jsonReporter, plainReporter, spinnerReporter } from '../reporters.ts'

export interface StartOptions {
  cpus?: number
  nodes?: number
  fakeNodes?: number
  memory?: string
  ipFamily?: 'ipv4' | 'dual'
  publish?: string[]
  extraConfig?: string[]
  image?: string
  /** false is --no-wait. */
  wait: 'all' | 'true' | 'apiserver' | 'none' | 'false' | false
  timeout?: number
  keepContext?: boolean
  retain?: boolean
  install: boolean
  output?: 'text' | 'json'
}

/** What is shown, and the events beside it. */
async function reporterFor({ output }: StartOptions, context: CliContext, onEvent: (event: object) => void): Promise<StepReporter> {
  if (output === 'json') return jsonReporter(onEvent)
  const shown = context.stderr.isTTY ? await spinnerReporter(context) : plainReporter(context)
  return bothReporters(shown, jsonReporter(onEvent))
}

/** The events are kept with the profile, whether they are printed or not. */
export async function start(options: StartOptions, context: CliContext): Promise<void> {
  context.outlivesReaders = true
  const profile = await context.profile()
  const inJson = options.output === 'json'
  const events: object[] = []
  const onEvent = (event: object): void => {
    events.push(event)
    if (inJson) context.stdout.write(`${JSON.stringify(event)}\n`)
  }
  try {
    const message = await startAndTell(profile, options, await reporterFor(options, context, onEvent), context)
    onEvent(cloudEvent('info', { message }))
    if (!inJson) context.stderr.write(`${message}\n${options.keepContext ? '' : `kubectl uses it now: kubectl get nodes\n`}`)
  } catch (error) {
    events.push(errorEvent(explainMachine(error)))
    throw error
  } finally {
    // Why it could not be written is told by the start's own failure, if by anything.
    await writeEvents(minicubeHome(context.env), profile, events).catch(() => {})
  }
}

/** Answers what became of it, in words. */
async function startAndTell(profile: string, options: StartOptions, reporter: StepReporter, context: CliContext): Promise<string> {
  const { cpus, extraConfig, fakeNodes, ipFamily, nodes, memory, publish, image, timeout, keepContext, retain } = options
  const startedMs = performance.now()
  const result = await startCluster({
    profile,
    wait: options.wait === 'all' || options.wait === 'true',
    installAllowed: options.install,
    reporter,
    signal: context.signal,
    env: context.env,
    ...(cpus && { cpus }),
    ...(nodes !== undefined && { nodes }),
    ...(fakeNodes !== undefined && { fakeNodes }),
    ...(memory && { memoryBytes: parseMemory(memory) }),
    ...(publish && { publish }),
    ...(extraConfig && { extraConfig }),
    ...(image && { image }),
    ...(ipFamily && { ipFamily }),
    ...(timeout && { timeoutMs: timeout }),
    ...(keepContext && { keepContext }),
    ...(retain && { retain }),
  })
  const took = `${((performance.now() - startedMs) / 1000).toFixed(1)} s`
  return result.changed ? `The cluster "${profile}" is ready after ${took}.` : `The cluster "${profile}" is running already.`
}
