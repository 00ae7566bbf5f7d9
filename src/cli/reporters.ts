/** How a command's steps are shown: a spinner on a terminal, plain lines elsewhere, one JSON event a line with `-o json`. */
import { randomUUID } from 'node:crypto'
import { isAbort } from '../base/abort.ts'
import type { StepPosition, StepReporter } from '../cluster/start/steps.ts'
import { UserError } from '../cluster/userError.ts'
import type { CliContext } from './context.ts'

const seconds = (elapsedMs: number): string => `${(elapsedMs / 1000).toFixed(1)}s`

/** The line of a step that is over. */
const doneLine = ({ message, elapsedMs }: { message: string; elapsedMs: number }): string => `${message} (${seconds(elapsedMs)})`

export function plainReporter({ stderr, verbose }: CliContext): StepReporter {
  const line = (text: string): void => void stderr.write(`${text}\n`)
  return {
    onStepStart: () => {},
    onStepProgress: (step, detail) => verbose && line(`  ${step.message}: ${detail}`),
    onStepDone: (step) => line(`* ${doneLine(step)}`),
    onStepFailed: (step) => line(`X ${step.message}`),
    onUndo: (step) => verbose && line(`  undoing: ${step.message}`),
    onNotice: (message) => line(`* ${message}`),
    onDetail: (message) => verbose && line(`  ${message}`),
  }
}

export async function spinnerReporter({ stderr, verbose, env }: CliContext): Promise<StepReporter> {
  const { default: ora } = await import('ora')
  // ora colours its frame whatever NO_COLOR (https://no-color.org) says.
  const spinner = ora({ stream: stderr, discardStdin: false, ...(env['NO_COLOR'] && { color: false }) })
  const aside = (text: string): void => {
    const running = spinner.isSpinning
    const { text: shown } = spinner
    spinner.stop()
    stderr.write(`${text}\n`)
    if (running) spinner.start(shown)
  }
  return {
    onStepStart: (step) => void spinner.start(step.message),
    onStepProgress: (step, detail) => void (spinner.text = `${step.message}: ${detail}`),
    onStepDone: (step) => void spinner.succeed(doneLine(step)),
    onStepFailed: (step) => void spinner.fail(step.message),
    onUndo: (step) => void (verbose && aside(`  undoing: ${step.message}`)),
    onNotice: aside,
    onDetail: (message) => void (verbose && aside(`  ${message}`)),
  }
}

/** As printError.ts exits with. */
const INTERNAL = 10
const INTERRUPTED = 130
const EVENT = 'io.k8s.sigs.minikube'

export function cloudEvent(type: 'step' | 'info' | 'error', data: object): object {
  return {
    specversion: '1.0',
    id: randomUUID(),
    source: 'minicube',
    type: `${EVENT}.${type}`,
    datacontenttype: 'application/json',
    data,
  }
}

const stepEvent = ({ index, total, name, message }: StepPosition): object =>
  cloudEvent('step', { currentstep: String(index), totalsteps: String(total), name, message })

/** minikube's CloudEvents; `emit` writes one. */
export function jsonReporter(emit: (event: object) => void): StepReporter {
  return {
    onStepStart: (step) => emit(stepEvent(step)),
    onStepProgress: () => {},
    onStepDone: () => {},
    // Told where the command ends, as failures outside of any step are.
    onStepFailed: () => {},
    onUndo: () => {},
    onNotice: (message) => emit(cloudEvent('info', { message })),
    onDetail: () => {},
  }
}

/** Tells both. */
export function bothReporters(first: StepReporter, second: StepReporter): StepReporter {
  const both =
    <Arguments extends unknown[]>(tell: (reporter: StepReporter, ...args: Arguments) => void) =>
    (...args: Arguments): void => {
      tell(first, ...args)
      tell(second, ...args)
    }
  return {
    onStepStart: both((reporter, step) => reporter.onStepStart(step)),
    onStepProgress: both((reporter, step, detail) => reporter.onStepProgress(step, detail)),
    onStepDone: both((reporter, step) => reporter.onStepDone(step)),
    onStepFailed: both((reporter, step) => reporter.onStepFailed(step)),
    onUndo: both((reporter, step) => reporter.onUndo(step)),
    onNotice: both((reporter, message) => reporter.onNotice(message)),
    onDetail: both((reporter, message) => reporter.onDetail(message)),
  }
}

export function errorEvent(error: unknown): object {
  if (isAbort(error)) return cloudEvent('error', { exitcode: String(INTERRUPTED), name: 'MK_INTERRUPTED', message: 'interrupted' })
  const known = error instanceof UserError
  return cloudEvent('error', {
    exitcode: String(known ? error.exitCode : INTERNAL),
    name: known ? error.id : 'MK_INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    ...(known && error.hint && { advice: error.hint }),
  })
}
