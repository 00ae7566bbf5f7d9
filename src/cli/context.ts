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
  /** The profile named by --profile, MINICUBE_PROFILE or `minicube profile`. */
  profile(): Promise<string>
  verbose: boolean
}
