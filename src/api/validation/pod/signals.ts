/** The signals that may stop a container, by its operating system. */
const NAMES =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ'

const numbered = (count: number, name: (n: number) => string): string[] => Array.from({ length: count }, (_, i) => name(i + 1))

const LINUX = [
  ...NAMES.split(' ').map((name) => `SIG${name}`),
  'SIGRTMIN',
  ...numbered(15, (n) => `SIGRTMIN+${n}`),
  ...numbered(14, (n) => `SIGRTMAX-${n}`),
  'SIGRTMAX',
].sort()

export const STOP_SIGNALS: ReadonlyMap<string, readonly string[]> = new Map([
  ['linux', LINUX],
  ['windows', ['SIGKILL', 'SIGTERM']],
])
