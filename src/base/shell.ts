/**
 * A shell that stays, for short commands that are wanted often. To start a program, a process as large as ours stands still
 * for milliseconds; a shell of two megabytes does not. Its scripts run one after the other.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { orAbort } from './abort.ts'
import { ExecError } from './exec.ts'

/** Of one script; a shell that says nothing for longer is replaced. */
const DEFAULT_TIMEOUT_MS = 10_000
const OUTPUT_LIMIT_CHARS = 2 ** 20
const MARKER_BYTES = 12

interface Job {
  script: string
  timeoutMs: number
  resolve(output: string): void
  reject(error: Error): void
}

interface Running {
  child: ChildProcess
  marker: string
}

/** One word of a script, whatever is in it. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

export class Shell {
  readonly #jobs: Job[] = []
  #shell: Running | undefined
  #current: Job | undefined
  #said = ''
  #timer: NodeJS.Timeout | undefined

  /**
   * Runs a script up to its first failing command; answers what it printed. Throws ExecError when it failed. A script that
   * has begun goes on when nobody waits for it any more, so that it leaves nothing half done.
   */
  async run(script: string, { signal, timeoutMs = DEFAULT_TIMEOUT_MS }: { signal: AbortSignal; timeoutMs?: number }): Promise<string> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const job: Job = { script, timeoutMs, resolve, reject }
    this.#jobs.push(job)
    this.#next()
    try {
      return await orAbort(promise, signal)
    } finally {
      const waiting = this.#jobs.indexOf(job)
      if (waiting >= 0) this.#jobs.splice(waiting, 1)
    }
  }

  #next(): void {
    if (this.#current) return
    const job = this.#jobs.shift()
    if (!job) return
    this.#current = job
    this.#said = ''
    this.#shell ??= this.#start()
    const { child, marker } = this.#shell
    hold(child, true)
    this.#timer = setTimeout(() => this.#fail(`no answer within ${job.timeoutMs} ms`), job.timeoutMs)
    child.stdin?.write(`(set -e\n${job.script}\n) </dev/null 2>&1\nprintf '\\n%s %s\\n' ${marker} $?\n`)
  }

  #start(): Running {
    const child = spawn('sh', [], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
    const running = { child, marker: randomBytes(MARKER_BYTES).toString('hex') }
    const lost = (why: string): void => {
      if (this.#shell === running) this.#fail(why)
    }
    child.on('error', (error) => lost(error.message))
    child.on('exit', (code, signal) => lost(`the shell ended (${signal ?? code})`))
    child.stdin.on('error', () => {})
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (this.#shell === running) this.#hear(text, running)
    })
    return running
  }

  #hear(text: string, { child, marker }: Running): void {
    this.#said += text
    if (this.#said.length > OUTPUT_LIMIT_CHARS) return this.#fail('it prints too much')
    const end = new RegExp(`\\n${marker} (\\d+)\\n$`).exec(this.#said)
    if (!end) return
    const output = this.#said.slice(0, end.index)
    hold(child, false)
    this.#finish((job) => {
      if (end[1] === '0') job.resolve(output)
      else job.reject(new ExecError(job.script, Number(end[1]), output, ''))
    })
  }

  /** The shell is of no more use; the next script gets a new one. */
  #fail(why: string): void {
    const pid = this.#shell?.child.pid
    if (pid !== undefined) killGroup(pid)
    this.#shell = undefined
    this.#finish((job) => job.reject(new ExecError(job.script, undefined, this.#said, why)))
  }

  #finish(settle: (job: Job) => void): void {
    clearTimeout(this.#timer)
    const job = this.#current
    this.#current = undefined
    if (job) settle(job)
    this.#next()
  }
}

/** With what it has started. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}

/** Only one that is at work keeps us from ending. */
function hold(child: ChildProcess, whether: boolean): void {
  for (const handle of [child, child.stdin, child.stdout] as unknown as { ref(): void; unref(): void }[]) {
    if (whether) handle.ref()
    else handle.unref()
  }
}
