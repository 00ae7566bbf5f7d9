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

export async function spinnerReporter({ stderr, verbose }: CliContext): Promise<StepReporter> {
  const { default: ora } = await import('ora')
  const spinner = ora({ stream: stderr, discardStdin: false })
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
    onStepFailed: ({ error }) => {
      if (!isAbort(error)) emit(errorEvent(error))
    },
    onUndo: () => {},
    onNotice: (message) => emit(cloudEvent('info', { message })),
    onDetail: () => {},
  }
}

export function errorEvent(error: unknown): object {
  const known = error instanceof UserError
  return cloudEvent('error', {
    exitcode: String(known ? error.exitCode : INTERNAL),
    name: known ? error.id : 'MK_INTERNAL',
    message: error instanceof Error ? error.message : String(error),
    ...(known && error.hint && { advice: error.hint }),
  })
}
