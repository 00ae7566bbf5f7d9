/** Loops over lists and maps, which every comprehension is after its macro. */
import { Fault, ListValue, MapValue, typeNameOf } from './values.ts'
import { faultOf } from './frame.ts'
import type { ComprehensionExpr, Expr } from './ast.ts'
import type { Frame, Run } from './frame.ts'
import type { Value } from './values.ts'

interface Planner {
  run(expr: Expr): Run
  inScope<T>(names: readonly string[], within: (slots: number[]) => T): T
}

const ITEMS_BETWEEN_INTERRUPT_CHECKS = 100

/** The loop's variables for each item: the item (or the key of a map), or both the position (key) and the item. */
function* itemsOf(range: Value, isPair: boolean): Generator<[Value, Value?]> {
  if (range instanceof ListValue) {
    for (let i = 0; i < range.size; i++) yield isPair ? [BigInt(i), range.at(i)] : [range.at(i)]
  } else if (range instanceof MapValue) {
    for (const key of range.keys()) yield isPair ? [key, range.get(key)!] : [key]
  } else throw new Fault(`got '${typeNameOf(range)}', expected iterable type`)
}

/** An error is a value here: `all` and `exists` go on, for a later item may decide. */
function attempt(run: Run, frame: Frame): Value | Fault {
  try {
    return run(frame)
  } catch (error) {
    return faultOf(error)
  }
}

export function compileComprehension(planner: Planner, expr: ComprehensionExpr): Run {
  const range = planner.run(expr.range)
  const init = planner.run(expr.init)
  const isPair = expr.iterVar2 !== undefined
  return planner.inScope([expr.accuVar], ([accu]) => {
    const loop = planner.inScope([expr.iterVar, expr.iterVar2 ?? ''], ([first, second]) => ({
      first: first!,
      second: second!,
      goesOn: planner.run(expr.condition),
      step: planner.run(expr.step),
    }))
    const result = planner.run(expr.result)
    return (frame) => {
      const over = range(frame)
      frame.write(accu!, attempt(init, frame))
      let count = 0
      for (const [item, other] of itemsOf(over, isPair)) {
        frame.write(loop.first, item)
        if (other !== undefined) frame.write(loop.second, other)
        if (loop.goesOn(frame) === false) break
        frame.write(accu!, attempt(loop.step, frame))
        if (++count % ITEMS_BETWEEN_INTERRUPT_CHECKS === 0) frame.checkInterrupt()
      }
      return result(frame)
    }
  })
}
