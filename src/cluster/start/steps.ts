/**
 * A long command as a visible list of steps. One runner runs them in order, tells a reporter, and on failure or when the
 * signal aborts undoes them in reverse, the failed one first: `undo` must bear a half-done `run`.
 */
import { isAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'

export interface Step<Context> {
  /** Stable, for machines: it is in the events of `-o json`. */
  name: string
  /** For people, e.g. "Starting the node container". */
  message: string
  run(context: Context, step: StepControl): Promise<void>
  undo?(context: Context): Promise<void>
}

export interface StepControl {
  signal: AbortSignal
  /** What is being done right now, shown beside the step's message. */
  progress(detail: string): void
}

export interface StepPosition {
  name: string
  message: string
  /** Counts from 1. */
  index: number
  total: number
}

export interface StepReporter {
  onStepStart(step: StepPosition): void
  onStepProgress(step: StepPosition, detail: string): void
  onStepDone(step: StepPosition & { elapsedMs: number }): void
  onStepFailed(step: StepPosition & { elapsedMs: number; error: unknown }): void
  /** What was done is being taken back. */
  onUndo(step: StepPosition): void
  /** A line outside of any step, e.g. that packages are being installed. */
  onNotice(message: string): void
  /** Said only with -v. */
  onDetail(message: string): void
}

export const silentReporter: StepReporter = {
  onStepStart: () => {},
  onStepProgress: () => {},
  onStepDone: () => {},
  onStepFailed: () => {},
  onUndo: () => {},
  onNotice: () => {},
  onDetail: () => {},
}

export interface RunStepsOptions {
  reporter: StepReporter
  signal: AbortSignal
  clock: Clock
  /** Leave everything as it is on failure. */
  retain?: boolean
}

export async function runSteps<Context>(steps: readonly Step<Context>[], context: Context, options: RunStepsOptions): Promise<void> {
  const { reporter, signal, clock } = options
  const begun: { step: Step<Context>; position: StepPosition }[] = []
  for (const [index, step] of steps.entries()) {
    const position = { name: step.name, message: step.message, index: index + 1, total: steps.length }
    const startedMs = clock.now()
    try {
      signal.throwIfAborted()
      reporter.onStepStart(position)
      begun.push({ step, position })
      await step.run(context, { signal, progress: (detail) => reporter.onStepProgress(position, detail) })
      // A step that did not notice the abort must not let the next ones go on.
      signal.throwIfAborted()
      reporter.onStepDone({ ...position, elapsedMs: clock.now() - startedMs })
    } catch (error) {
      reporter.onStepFailed({ ...position, elapsedMs: clock.now() - startedMs, error })
      if (options.retain) throw error
      const failures = await undo(begun, context, reporter)
      if (failures.length === 0 || isAbort(error)) throw error
      throw new AggregateError([error, ...failures], error instanceof Error ? error.message : String(error), { cause: error })
    }
  }
}

/** Every undo is tried, whatever becomes of the others. */
async function undo<Context>(
  begun: { step: Step<Context>; position: StepPosition }[],
  context: Context,
  reporter: StepReporter,
): Promise<unknown[]> {
  const failures: unknown[] = []
  for (const { step, position } of begun.toReversed()) {
    if (!step.undo) continue
    reporter.onUndo(position)
    await step.undo(context).catch((error: unknown) => failures.push(error))
  }
  return failures
}
