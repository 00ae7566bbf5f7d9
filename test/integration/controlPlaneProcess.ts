/** A control plane as a process of its own, which can be killed and comes back at the same address. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { readTarget, type Target } from '../bench/apiLoad.ts'
import { atEnd } from '../ending.ts'

const READY_TIMEOUT_MS = 30_000

export class ControlPlaneProcess {
  readonly #args: readonly string[]
  readonly #kubeconfig: string
  #child: ChildProcess | undefined
  #listen = '127.0.0.1:0'
  /** The same each time: its keys are on its disk. */
  #target: Target | undefined

  constructor(kubeconfig: string, args: readonly string[]) {
    this.#kubeconfig = kubeconfig
    this.#args = [
      join(import.meta.dirname, '../../src/node/controlPlane.ts'),
      '--kubeconfig',
      this.#kubeconfig,
      '--log-level',
      'error',
      ...args,
    ]
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [...this.#args, '--listen', this.#listen], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    child.once(
      'exit',
      atEnd(() => child.kill('SIGKILL')),
    )
    const timer = setTimeout(() => child.kill('SIGKILL'), READY_TIMEOUT_MS)
    for await (const line of child.stdout as AsyncIterable<Buffer>) {
      const [, address] = /^ready: https:\/\/(\S+) /m.exec(line.toString()) ?? []
      if (!address) continue
      // It comes back where its clients look for it.
      this.#listen = address
      clearTimeout(timer)
      child.stdout?.resume()
      this.#target ??= readTarget(this.#kubeconfig)
      return
    }
    throw new Error('the control plane did not start')
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  get target(): Target {
    if (!this.#target) throw new Error('the control plane was never started')
    return this.#target
  }
}
