/** One evaluation: its variables, and what it has cost. */
import { CostExceededError, EvaluationError } from './program.ts'
import { Fault } from './values.ts'
import type { Adapt, Value } from './values.ts'

/** What a single evaluation may cost, as upstream has it. */
const COST_LIMIT_PER_CALL = 1_000_000

/** How a variable comes out of what was passed. */
export interface Input {
  name: string
  adapt: Adapt
}

export class Frame {
  cost = 0
  readonly #slots: (Value | Fault | undefined)[]
  readonly #inputs: readonly Input[]
  readonly #variables: Readonly<Record<string, unknown>>
  readonly #signal: AbortSignal | undefined

  constructor(inputs: readonly Input[], variables: Readonly<Record<string, unknown>>, signal?: AbortSignal) {
    this.#slots = []
    this.#inputs = inputs
    this.#variables = variables
    this.#signal = signal
  }

  charge(cost: number): void {
    this.cost += cost
    if (this.cost > COST_LIMIT_PER_CALL) throw new CostExceededError('operation cancelled: actual cost limit exceeded')
  }

  /** @throws Fault where the variable holds one, as accumulators do, or was not passed */
  read(slot: number): Value {
    const held = this.#slots[slot]
    if (held === undefined) return this.#load(slot)
    if (held instanceof Fault) throw held
    return held
  }

  write(slot: number, value: Value | Fault): void {
    this.#slots[slot] = value
  }

  #load(slot: number): Value {
    const { name, adapt } = this.#inputs[slot]!
    const json = this.#variables[name]
    if (json === undefined) throw new Fault(`no such attribute(s): ${name}`)
    const value = adapt(json)
    this.#slots[slot] = value
    return value
  }

  /** For loops, now and then. */
  checkInterrupt(): void {
    if (this.#signal?.aborted) throw new CostExceededError('operation interrupted', { cause: this.#signal.reason })
  }
}

export type Run = (frame: Frame) => Value

/** What an expression failed with, as a value that goes on. Variables may be expressions of their own. @throws anything else */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (error instanceof EvaluationError) return new Fault(error.message)
  throw error
}
