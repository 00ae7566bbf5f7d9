/** The command line's entry: parses, runs one command, prints failures in one place. */
import { appendFileSync } from 'node:fs'
import { CommanderError } from 'commander'
import type { CliContext } from './context.ts'
import { explainError, explainMachine, explainUsage } from './printError.ts'
import { createProgram } from './program.ts'
import { errorEvent } from './reporters.ts'

/** A second Ctrl-C does not wait for things to be undone. */
function interruptible(): AbortSignal {
  const abort = new AbortController()
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(130)
    abort.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return abort.signal
}

async function main(argv: readonly string[]): Promise<number> {
  const context: CliContext = {
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    signal: interruptible(),
    verbose: false,
    json: false,
    exitCode: 0,
    outlivesReaders: false,
    async profile() {
      const { activeProfile } = await import('../cluster/profile.ts')
      const { minicubeHome } = await import('../cluster/home.ts')
      const { checkProfileName } = await import('../cluster/names.ts')
      return checkProfileName(context.profileOption ?? (await activeProfile(minicubeHome(context.env), context.env)))
    },
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => onOutputError(error, context))
  const program = createProgram(context)
  // commander's own `help` looks one level deep.
  const words = argv[0] === '--version' ? ['version'] : argv[0] === 'help' ? [...argv.slice(1), '--help'] : [...argv]
  try {
    await program.parseAsync(words, { from: 'user' })
    return context.exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error, context)
    // Help that was printed, asked for or because a command without a meaning of its own was called.
    if (error.exitCode === 0 || error.code === 'commander.help') return 0
    return report(explainUsage(error.message, argv, program), context)
  }
}

function report(thrown: unknown, context: CliContext): number {
  // What an interrupted step complains of is the interruption.
  const error: unknown = context.signal.aborted ? context.signal.reason : explainMachine(thrown)
  const { text, exitCode } = explainError(error, context.verbose)
  if (context.json) process.stdout.write(`${JSON.stringify(errorEvent(error))}\n`)
  process.stderr.write(text)
  return exitCode
}

/** A reader that went away (`minicube logs | head`) is no failure, and of some commands no end either. */
function onOutputError(error: NodeJS.ErrnoException, { outlivesReaders }: CliContext): void {
  if (error.code === 'EPIPE' && outlivesReaders) return
  if (error.code === 'EPIPE') process.exit(0)
  appendFileSync(2, `${error.message}\n`)
  process.exit(1)
}

// Progress that nobody reads any more (`minicube start 2>&1 | head`) is no reason to stop in the middle of a start.
process.stderr.on('error', () => {})

process.exitCode = await main(process.argv.slice(2))
