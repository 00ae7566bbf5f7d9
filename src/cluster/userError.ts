/**
 * What goes wrong for a person rather than in the program: printed as `Exiting due to <id>: <message>` with the hint below it.
 * Exit codes are minikube's: a decade for the area plus a suffix for the sort of failure.
 */
const AREA = {
  PROGRAM: 10,
  RESOURCE: 20,
  HOST: 30,
  INET: 40,
  DRIVER: 50,
  PROVIDER: 60,
  IF: 70,
  GUEST: 80,
  RUNTIME: 90,
  K8S: 100,
  SVC: 110,
} as const
const SORT = {
  CONFLICT: 1,
  TIMEOUT: 2,
  NOT_RUNNING: 3,
  USAGE: 4,
  NOT_FOUND: 5,
  UNSUPPORTED: 6,
  PERMISSION: 7,
  CONFIG: 8,
  UNAVAILABLE: 9,
} as const

export type ErrorArea = keyof typeof AREA
export type ErrorSort = keyof typeof SORT

export interface UserErrorOptions {
  area: ErrorArea
  sort: ErrorSort
  /** What happened and why, one sentence without a full stop at its end. */
  message: string
  /** What to do next, with the command to type where there is one. */
  hint?: string
  /** Instead of the one made of area and sort, where minikube has a name of its own. */
  id?: string
  /** As `id`. */
  exitCode?: number
  cause?: unknown
}

export class UserError extends Error {
  override readonly name = 'UserError'
  /** For example MK_USAGE or DRIVER_NOT_FOUND. */
  readonly id: string
  readonly hint: string | undefined
  readonly exitCode: number

  constructor(options: UserErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.id = options.id ?? `${options.area === 'PROGRAM' ? 'MK' : options.area}_${options.sort}`
    this.hint = options.hint
    this.exitCode = options.exitCode ?? AREA[options.area] + SORT[options.sort]
  }
}

export function usageError(message: string, hint?: string): UserError {
  return new UserError({ area: 'PROGRAM', sort: 'USAGE', message, ...(hint && { hint }) })
}

/** As programs that met it say so. */
export const saysDiskFull = (text: string): boolean => /no space left on device|disk quota exceeded/i.test(text)

/** With minikube's name and exit code for it. */
export function fullDiskError(message: string, { cause, hint }: Pick<UserErrorOptions, 'cause' | 'hint'> = {}): UserError {
  return new UserError({
    area: 'RESOURCE',
    sort: 'UNAVAILABLE',
    id: 'RSRC_INSUFFICIENT_STORAGE',
    exitCode: 26,
    message: `the disk is full: ${message}`,
    hint: hint ?? 'Make room (df -h, docker system df) and run the command again',
    cause,
  })
}

export function isErrorCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
