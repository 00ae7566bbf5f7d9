/**
 * Structured logs: a constant message plus fields, one JSON object a line. `component` is what `minicube logs --component`
 * selects by. Never log a token, a key or a Secret.
 */

export type LogFields = Record<string, unknown>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  /** `error` goes under the field `error`, with its stack. */
  error(message: string, error?: unknown, fields?: LogFields): void
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LEVELS)[number]

export interface LoggerOptions {
  level?: LogLevel
  fields?: LogFields
  /** Where a line goes; standard output unless given. */
  write?: (line: string) => void
  now?: () => number
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) }
  return { message: error.message, stack: error.stack, ...cause }
}

export function createLogger(options: LoggerOptions = {}): Logger {
  const { level = 'info', fields = {}, write = (line) => process.stdout.write(line), now = Date.now } = options
  const threshold = LEVELS.indexOf(level)
  const log = (at: LogLevel, message: string, more: LogFields): void => {
    if (LEVELS.indexOf(at) < threshold) return
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), level: at, ...fields, message, ...more })}\n`)
  }
  return {
    debug: (message, more = {}) => log('debug', message, more),
    info: (message, more = {}) => log('info', message, more),
    warn: (message, more = {}) => log('warn', message, more),
    error: (message, error, more = {}) => log('error', message, error === undefined ? more : { ...more, error: describeError(error) }),
    child: (more) => createLogger({ ...options, fields: { ...fields, ...more } }),
  }
}

/** For tests that do not look at logs. */
export const silentLogger: Logger = createLogger({ write: () => {} })
