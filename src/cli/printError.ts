/** The one place where a failed command is explained: what happened and what to type next. */
import { isAbort } from '../base/abort.ts'
import { printable } from '../base/printable.ts'
import { fullDiskError, isErrorCode, saysDiskFull, usageError, UserError } from '../cluster/userError.ts'
import { instead } from './habits.ts'

/** What a command is known by here. */
interface CommandNames {
  name(): string
  aliases(): readonly string[]
  commands: readonly CommandNames[]
}

/** A command line that could not be understood; the hint leads to the help of the command it names. */
export function explainUsage(message: string, argv: readonly string[], program: CommandNames): UserError {
  const path = [program.name()]
  let command = program
  for (const word of argv) {
    const next = command.commands.find((child) => child.name() === word || child.aliases().includes(word))
    if (!next) continue
    path.push(next.name())
    command = next
  }
  const text = message
    .replace(/^error: /, '')
    .replace(/ is invalid\. It must/, ' is not valid: it must')
    .replace(/\.$/, '')
    .trim()
  const habit = /^(?:unknown command|too many arguments)/.test(text) ? instead(argv) : undefined
  if (habit) return usageError(text.replace(/\n\(Did you mean .*$/, ''), `Here it is: ${habit}`)
  return usageError(text, `To see ${command.commands.length > 0 ? 'the commands' : 'its flags'}: ${path.join(' ')} --help`)
}

/** As shells report a program that was interrupted. */
const INTERRUPTED = 130
const INTERNAL = 10

function causes(error: unknown): string[] {
  const lines: string[] = []
  for (let cause = error instanceof Error ? error.cause : undefined; cause instanceof Error && lines.length < 5; cause = cause.cause)
    lines.push(cause.message)
  return lines
}

/** What is the machine's affair, wherever it is met: a full disk, and files that are not this user's. Other errors stay what they are. */
export function explainMachine(error: unknown): unknown {
  if (error instanceof UserError) return error
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isErrorCode(cause, 'ENOSPC', 'EDQUOT') || saysDiskFull(cause.message)) return fullDiskError(cause.message, { cause: error })
    const { path } = cause as NodeJS.ErrnoException
    if (path !== undefined && isErrorCode(cause, 'EACCES', 'EPERM', 'EROFS')) return permissionError(path, cause)
  }
  return error
}

function permissionError(path: string, cause: Error): UserError {
  return new UserError({
    area: 'HOST',
    sort: 'PERMISSION',
    message: `this user may not use ${path}: ${cause.message}`,
    hint: `See whose it is (ls -ld ${path}). minicube's own files are in $MINICUBE_HOME, or else in ~/.minicube`,
    cause,
  })
}

/** Text for people and the exit code. `verbose` adds the stack of what went wrong. */
export function explainError(error: unknown, verbose: boolean): { text: string; exitCode: number } {
  const { text, exitCode } = explanation(error, verbose)
  return { text: printable(text), exitCode }
}

function explanation(error: unknown, verbose: boolean): { text: string; exitCode: number } {
  if (isAbort(error)) return { text: 'Interrupted.\n', exitCode: INTERRUPTED }
  if (error instanceof UserError) {
    const detail = verbose ? causes(error).map((line) => `  cause: ${line}\n`) : []
    const hint = error.hint ? `\n${error.hint}\n` : ''
    return { text: `Exiting due to ${error.id}: ${error.message}\n${detail.join('')}${hint}`, exitCode: error.exitCode }
  }
  const message = error instanceof Error ? (verbose ? (error.stack ?? error.message) : error.message) : String(error)
  const more = causes(error)
    .map((line) => `  cause: ${line}\n`)
    .join('')
  const hint = verbose ? '' : '\nThis is a fault of minicube. Run the command again with -v for its details.\n'
  return { text: `Exiting due to MK_INTERNAL: ${message}\n${more}${hint}`, exitCode: INTERNAL }
}
