/**
 * `npm run bench:control-plane`: from the command `minicube control-plane` to its ready line, and the CPU time until then. The
 * first run in a checkout makes the bundle that the later ones use.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atEnd } from '../ending.ts'
import { processTree } from './processTree.ts'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 9)
const AIM_MS = 300
const PROGRAM = join(import.meta.dirname, '../../bin/minicube')

interface Start {
  readyMs: number
  cpuMs: number
}

async function startOnce(args: readonly string[]): Promise<Start> {
  const fromMs = performance.now()
  const child = spawn(PROGRAM, ['control-plane', '--listen', '127.0.0.1:0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  void ended.then(atEnd(() => child.kill('SIGKILL')))
  let printed = ''
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    printed += chunk.toString()
    if (printed.includes('ready: ')) break
  }
  const readyMs = performance.now() - fromMs
  if (!printed.includes('ready: ')) throw new Error(`the control plane was never ready: ${printed}`)
  const cpuMs = processTree(child.pid as number).reduce((sum, { cpuSeconds }) => sum + cpuSeconds * 1000, 0)
  child.kill('SIGTERM')
  await ended
  return { readyMs, cpuMs }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number

async function report(what: string, args: readonly string[]): Promise<void> {
  const starts: Start[] = []
  for (let round = 0; round < ROUNDS; round++) starts.push(await startOnce(args))
  const readyMs = starts.map((start) => start.readyMs)
  const cpuMs = median(starts.map((start) => start.cpuMs))
  const numbers = `median ${median(readyMs).toFixed(0)} ms, best ${Math.min(...readyMs).toFixed(0)} ms, CPU ${cpuMs.toFixed(0)} ms`
  console.log(`${what.padEnd(40)} ${numbers} (the aim is ${AIM_MS} ms)`)
}

console.log(`first start: ${(await startOnce([])).readyMs.toFixed(0)} ms`)
const folder = mkdtempSync(join(tmpdir(), 'minicube-bench-control-plane-'))
const removed = atEnd(() => rmSync(folder, { recursive: true, force: true }))
try {
  await report('in memory, with new keys', [])
  await report('on a disk, with keys and objects', ['--data', join(folder, 'data')])
  await report('in memory, without controllers', ['--controllers='])
} finally {
  rmSync(folder, { recursive: true, force: true })
  removed()
}
