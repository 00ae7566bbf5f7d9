/** What every command gets besides its own options. */
export interface CliContext {
  env: NodeJS.ProcessEnv
  /** Data: what a pipe reads. */
  stdout: NodeJS.WriteStream
  /** Progress and remarks. */
  stderr: NodeJS.WriteStream
  stdin: NodeJS.ReadStream
  /** Aborts on Ctrl-C and SIGTERM. */
  signal: AbortSignal
  verbose: boolean
  /** The command was asked for JSON: failures are told as events too. */
  json: boolean
  /** What the process exits with when the command does not throw. */
  exitCode: number
  /** What the command does matters more than what it prints: it goes on when nobody reads that any more. */
  outlivesReaders: boolean
  /** Of --profile. */
  profileOption?: string
  /** The profile named by --profile, by MINICUBE_PROFILE, or the active one. */
  profile(): Promise<string>
}
