/**
 * Runs seeded random histories against a scenario's invariants, and shortens the one that breaks them.
 * MINICUBE_MODEL_SEED runs that seed only; MINICUBE_MODEL_RUNS says how many seeds are run.
 */
import { test } from 'node:test'
import { Random } from '../fuzz/random.ts'
import { MANY_FAULTS, ONLY_LAG, type FaultRates } from './faultyTransport.ts'
import { createWorld, type World } from './world.ts'

export type Step = { do: string } & Record<string, string | number | boolean | undefined>

/** `mild`: nothing fails and nothing dies by accident, but caches lag: what is promised then holds at every moment. */
export type Mode = 'mild' | 'wild' | 'resets'

export interface Scenario<S> {
  name: string
  controllers: readonly string[]
  /** Makes what the history starts from, and looks from now on. */
  begin(world: World, random: Random, mode: Mode): Promise<S>
  /** The next thing that users or machines do. */
  step(random: Random, mode: Mode): Step
  apply(world: World, state: S, step: Step): Promise<void>
  /** Stops what would never come to rest by itself. */
  rest?(world: World): Promise<void>
  /** What must be so once everything has come to rest. */
  end(world: World, state: S): Promise<void>
}

const DEFAULT_RUNS = 3
const STEPS_MAX = 25
const PAUSE_MAX_MS = 12_000
const SHORTENING_RUNS = 150
const MODES: readonly Mode[] = ['mild', 'wild', 'resets']
const RATES: Record<Mode, FaultRates> = { mild: ONLY_LAG, wild: MANY_FAULTS, resets: ONLY_LAG }

interface TimedStep {
  afterMs: number
  step: Step
}

const modeOf = (seed: number): Mode => MODES[seed % MODES.length] as Mode

function historyOf<S>(scenario: Scenario<S>, seed: number): TimedStep[] {
  const random = new Random(seed * 7919 + 1)
  const mode = modeOf(seed)
  return Array.from({ length: 3 + random.below(STEPS_MAX - 3) }, () => {
    const afterMs = random.chance(0.3) ? random.below(200) : random.below(PAUSE_MAX_MS)
    return { afterMs, step: mode === 'wild' && random.chance(0.15) ? { do: 'restart' } : scenario.step(random, mode) }
  })
}

interface Failure {
  message: string
  told: readonly string[]
}

async function play<S>(scenario: Scenario<S>, seed: number, history: readonly TimedStep[]): Promise<Failure | undefined> {
  const mode = modeOf(seed)
  const { random: systemRandom } = Math
  const { now: systemNow } = Date
  const seeded = new Random(seed + 1)
  Math.random = () => seeded.next()
  const world = await createWorld({ seed, controllers: scenario.controllers, rates: RATES[mode], killAfterWrite: mode === 'resets' })
  Date.now = () => world.clock.now()
  try {
    const state = await scenario.begin(world, new Random(seed * 104_729 + 3), mode)
    world.startControllers()
    for (const { afterMs, step } of history) {
      await world.clock.advance(afterMs)
      if (world.failures.length > 0) break
      world.tell(`> ${JSON.stringify(step)}`)
      if (step.do === 'restart') world.restartControllers()
      else await scenario.apply(world, state, step)
    }
    if (world.failures.length === 0) {
      world.calmDown()
      await scenario.rest?.(world)
      await world.settle()
      await scenario.end(world, state)
    }
  } catch (error) {
    world.failures.push(error as Error)
  } finally {
    world.stop()
    Math.random = systemRandom
    Date.now = systemNow
  }
  const [first] = world.failures
  return first && { message: first.stack ?? first.message, told: world.told }
}

/** Fewer and fewer steps, as long as something fails. */
async function shorten<S>(scenario: Scenario<S>, seed: number, history: readonly TimedStep[], failure: Failure) {
  let [best, found] = [[...history], failure]
  let runs = 0
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.floor(size / 2)) {
    for (let at = 0; at < best.length && runs < SHORTENING_RUNS;) {
      const without = [...best.slice(0, at), ...best.slice(at + size)]
      runs++
      const still = await play(scenario, seed, without)
      if (still) [best, found] = [without, still]
      else at += size
    }
  }
  return { history: best, failure: found }
}

export function modelTest<S>(scenario: Scenario<S>): void {
  const { MINICUBE_MODEL_SEED: only, MINICUBE_MODEL_RUNS: runs, MINICUBE_MODEL_FROM: from } = process.env
  const seeds = only
    ? only.split(',').map(Number)
    : Array.from({ length: Number(runs ?? DEFAULT_RUNS) }, (_, n) => n + 1 + Number(from ?? 0))
  test(`${scenario.name}: ${seeds.length} histories`, async () => {
    for (const seed of seeds) {
      const history = historyOf(scenario, seed)
      const failure = await play(scenario, seed, history)
      if (!failure) continue
      const short = process.env['MINICUBE_MODEL_WHOLE'] ? { history, failure } : await shorten(scenario, seed, history, failure)
      const steps = short.history.map(({ afterMs, step }) => `  after ${afterMs} ms ${JSON.stringify(step)}`)
      const report = [
        `seed ${seed} (${modeOf(seed)}): ${short.failure.message}`,
        'history:',
        ...steps,
        'what happened:',
        ...short.failure.told,
      ]
      throw new Error(report.join('\n'))
    }
  })
}
