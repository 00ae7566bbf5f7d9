/**
 * Why a program could not be started, in runc's words: they are what other clusters say, what people look for, and what
 * scripts match. The runtime of pods is crun, which has words of its own for the same.
 */

/** What the engine puts before the runtime's words; the first pattern that fits, with what follows it. */
const CRUN: readonly { said: RegExp; means: (program: string) => string }[] = [
  {
    said: /executable file `([^`]*)` not found in \$PATH: No such file or directory/,
    means: (program) => `exec: "${program}": executable file not found in $PATH`,
  },
  {
    said: /executable file `([^`]*)` not found: No such file or directory/,
    means: (program) => `exec: "${program}": stat ${program}: no such file or directory`,
  },
  { said: /the path `([^`]*)` exists but it is not executable: [A-Za-z ]+/, means: (program) => `exec: "${program}": permission denied` },
  { said: /open executable: Permission denied()/, means: () => 'exec: permission denied' },
]

const STARTING = {
  exec: 'exec failed: unable to start container process: ',
  create: 'runc create failed: unable to start container process: error during container init: ',
}

/** The engine's message about a program that could not be started. What it knows no better words for stays as it is. */
export function startError(message: string, kind: keyof typeof STARTING): string {
  for (const { said, means } of CRUN) {
    const found = said.exec(message)
    if (found) return message.replace(said, () => `${STARTING[kind]}${means(found[1] ?? '')}`)
  }
  return message
}

/** How the engine begins when it tells, on the output of a command, that there was no command to run. */
export const EXEC_REFUSED = 'OCI runtime exec failed: '
