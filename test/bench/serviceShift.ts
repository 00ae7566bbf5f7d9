/**
 * How soon connections follow a change of a Service: one program in the node's network and one in a pod's connect to it without
 * pause and tell when another pod begins to answer. The clock of both, and of the bench that makes the change, is the machine's.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { services } from '../../src/api/kinds/core/v1.ts'
import type { Client } from '../../src/client/client.ts'
import { ROOT, type Cluster } from '../e2e/minicube.ts'

const PORT = 80
const SHIFT_TIMEOUT_MS = 20_000
const LOOK_AGAIN_MS = 500

/** Prints each answer that differs from the one before, with the time at which its connection was begun. */
const PROBE = `
const { connect } = require('node:net')
const [host, port] = process.argv.slice(-2)
const nowMs = () => Number(process.hrtime.bigint()) / 1e6
let last = ''
const ask = () => {
  const begunMs = nowMs()
  let text = ''
  const socket = connect({ host, port, timeout: 1000 })
  socket.setEncoding('utf8')
  socket.on('data', (chunk) => (text += chunk))
  socket.on('end', () => socket.destroy())
  socket.on('timeout', () => socket.destroy())
  socket.on('error', () => {})
  socket.on('close', () => {
    if (text && text !== last) console.log(JSON.stringify({ answer: (last = text).trim(), atMs: begunMs }))
    setImmediate(ask)
  })
}
ask()
`

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** A container that tells every connection its pod's name, and ends at once when it is told to. */
export const ANSWERING = ['sh', '-c', 'trap "exit 0" TERM; nc -ll -p 8080 -e hostname & wait']

export class ShiftProbe {
  readonly #child: ChildProcess
  #answer = ''
  #atMs = 0
  #changed = Promise.withResolvers<void>()

  /** `enter` is what puts the program into the network that it is to look from. */
  constructor(cluster: Cluster, enter: readonly string[], host: string) {
    this.#child = spawn(join(ROOT, 'bin/minicube'), ['ssh', '--', ...enter, 'node', '-e', PROBE, host, String(PORT)], {
      env: { ...process.env, ...cluster.env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const { answer, atMs } = JSON.parse(line) as { answer: string; atMs: number }
      this.#answer = answer
      this.#atMs = atMs
      this.#changed.resolve()
      this.#changed = Promise.withResolvers<void>()
    })
  }

  /** When the first connection was begun that `answer` was the answer of, since it was another one. */
  async when(answer: string): Promise<number> {
    const untilMs = monotonicMs() + SHIFT_TIMEOUT_MS
    while (this.#answer !== answer) {
      if (monotonicMs() > untilMs) throw new Error(`connections went to ${this.#answer || 'nobody'}, not to ${answer}`)
      await Promise.race([this.#changed.promise, setTimeout(LOOK_AGAIN_MS)])
    }
    return this.#atMs
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}

/** Turns the Service to one pod and back to the other; answers how long each turn took to be seen by each probe. */
export async function turnService(
  client: Client,
  { namespace, name }: { namespace: string; name: string },
  turns: readonly string[],
  probes: readonly ShiftProbe[],
): Promise<number[][]> {
  const took = probes.map((): number[] => [])
  for (const [i, app] of turns.entries()) {
    const fromMs = monotonicMs()
    await client.patch(services, { namespace, name, type: 'application/merge-patch+json' }, { spec: { selector: { app } } })
    const seenMs = await Promise.all(probes.map((probe) => probe.when(app)))
    if (i > 0) for (const [at, ms] of seenMs.entries()) took[at]?.push(ms - fromMs)
  }
  return took
}
