import { randomUUID } from 'node:crypto'
import { appendEvent } from '../../cluster/profile.ts'
import { minicubeHome } from '../../cluster/home.ts'
import { parseMemory } from '../../cluster/ports.ts'
import { startCluster } from '../../cluster/start/startCluster.ts'
import type { StepReporter } from '../../cluster/start/steps.ts'
import type { CliContext } from '../context.ts'
import { cloudEvent, jsonReporter, plainReporter, spinnerReporter } from '../reporters.ts'

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

function reporterFor(options: StartOptions, context: CliContext): Promise<StepReporter> | StepReporter {
  if (options.output === 'json') return jsonReporter((event) => void context.stdout.write(`${JSON.stringify(event)}\n`))
  return context.stderr.isTTY ? spinnerReporter(context) : plainReporter(context)
}

export async function start(options: StartOptions, context: CliContext): Promise<void> {
  const profile = await context.profile()
  const { cpus, extraConfig, fakeNodes, ipFamily, nodes, memory, publish, image, timeout, keepContext, retain } = options
  const startedMs = performance.now()
  const result = await startCluster({
    profile,
    wait: options.wait === 'all' || options.wait === 'true',
    installAllowed: options.install,
    reporter: await reporterFor(options, context),
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
  const message = result.changed ? `The cluster "${profile}" is ready after ${took}.` : `The cluster "${profile}" is running already.`
  const event = cloudEvent('info', { message, id: randomUUID() })
  await appendEvent(minicubeHome(context.env), profile, event)
  if (options.output === 'json') context.stdout.write(`${JSON.stringify(event)}\n`)
  else context.stderr.write(`${message}\n${options.keepContext ? '' : `kubectl uses it now: kubectl get nodes\n`}`)
}
