/** Calls that are written as calls and mean something else: each becomes an expression of the language without macros. */
import { call, comprehension, ident, list, literal, map, select } from './ast.ts'
import type { ComprehensionExpr, Expr } from './ast.ts'

interface MacroCall {
  offset: number
  args: readonly Expr[]
  target: Expr | undefined
  fail(offset: number, message: string): void
  /** The same once more, within limits. */
  copy(expr: Expr): Expr
}

/** undefined leaves the call what it is. */
type Macro = (call: MacroCall) => Expr | undefined

/** By `name:number of arguments:member|global`. */
export type Macros = ReadonlyMap<string, Macro>

/** No expression can write this name. */
const ACCUMULATOR = '@result'
const UNUSED = '#unused'

type Loop = Pick<ComprehensionExpr, 'init' | 'condition' | 'step' | 'result'>
type LoopOf = (offset: number, args: readonly Expr[], names: readonly string[]) => Loop

const accu = (offset: number): Expr => ident(offset, ACCUMULATOR)
const one = (offset: number): Expr => literal(offset, 1n)

const all: LoopOf = (at, [predicate]) => ({
  init: literal(at, true),
  condition: call(at, '@not_strictly_false', [accu(at)]),
  step: call(at, '_&&_', [accu(at), predicate!]),
  result: accu(at),
})

const exists: LoopOf = (at, [predicate]) => ({
  init: literal(at, false),
  condition: call(at, '@not_strictly_false', [call(at, '!_', [accu(at)])]),
  step: call(at, '_||_', [accu(at), predicate!]),
  result: accu(at),
})

const existsOne: LoopOf = (at, [predicate]) => ({
  init: literal(at, 0n),
  condition: literal(at, true),
  step: call(at, '_?_:_', [predicate!, call(at, '_+_', [accu(at), one(at)]), accu(at)]),
  result: call(at, '_==_', [accu(at), one(at)]),
})

/** Collects; of two arguments the first says what is let through. */
const collect =
  (init: (at: number) => Expr, add: (at: number, item: Expr, names: readonly string[]) => Expr): LoopOf =>
  (at, args, names) => {
    const item = args.at(-1)!
    const added = add(at, item, names)
    const step = args.length > 1 ? call(at, '_?_:_', [args[0]!, added, accu(at)]) : added
    return { init: init(at), condition: literal(at, true), step, result: accu(at) }
  }

const toList = collect(
  (at) => list(at, []),
  (at, item) => call(at, '_+_', [accu(at), list(at, [item])]),
)
const toMap = collect(
  (at) => map(at, []),
  (at, item, [key]) => call(at, 'cel.@mapInsert', [accu(at), ident(at, key!), item]),
)
const toMapEntries = collect(
  (at) => map(at, []),
  (at, item) => call(at, 'cel.@mapInsert', [accu(at), item]),
)
const filter: LoopOf = (at, [predicate], [name]) => toList(at, [predicate!, ident(at, name!)], [name!])

/** The first arguments name what the loop goes through. */
const loop =
  (names: 1 | 2, notAName: string, body: LoopOf): Macro =>
  ({ offset, args, target, fail }) => {
    const variables: string[] = []
    for (const arg of args.slice(0, names)) {
      if (arg.kind !== 'ident' || arg.name.startsWith('.')) {
        fail(arg.offset, notAName)
        return literal(offset, null)
      }
      if (variables.includes(arg.name)) fail(arg.offset, `duplicate variable name: ${arg.name}`)
      if (arg.name === '__result__') fail(arg.offset, 'iteration variable overwrites accumulator variable')
      variables.push(arg.name)
    }
    const [iterVar, iterVar2] = variables
    const parts = { range: target!, iterVar: iterVar!, accuVar: ACCUMULATOR, ...body(offset, args.slice(names), variables) }
    return comprehension(offset, iterVar2 === undefined ? parts : { ...parts, iterVar2 })
  }

const bind = (offset: number, name: string, value: Expr, result: Expr): Expr =>
  comprehension(offset, {
    range: list(offset, []),
    iterVar: UNUSED,
    accuVar: name,
    init: value,
    condition: literal(offset, false),
    step: ident(offset, name),
    result,
  })

const has: Macro = ({ offset, args: [arg], fail }) => {
  if (arg!.kind === 'select') return select(offset, arg!.operand, arg!.field, true)
  fail(arg!.offset, 'invalid argument to has() macro')
  return literal(offset, null)
}

const optional =
  (name: string, wrap: (offset: number, result: Expr) => Expr): Macro =>
  ({ offset, args: [variable, body], target, fail, copy }) => {
    if (variable!.kind !== 'ident') {
      fail(variable!.offset, `${name}() variable name must be a simple identifier`)
      return literal(offset, null)
    }
    const value = call(offset, 'value', [], copy(target!))
    const result = wrap(offset, bind(offset, variable!.name, value, body!))
    const none = call(offset, 'optional.none', [])
    return call(offset, '_?_:_', [call(offset, 'hasValue', [], target), result, none])
  }

const celBind: Macro = ({ offset, args: [variable, value, result], target, fail }) => {
  if (target?.kind !== 'ident' || target.name !== 'cel') return undefined
  if (variable!.kind === 'ident') return bind(offset, variable!.name, value!, result!)
  fail(variable!.offset, 'cel.bind() variable names must be simple identifiers')
  return literal(offset, null)
}

const SORT_INPUT = '@__sortBy_input__'

const sortBy: Macro = (macro) => {
  const { offset, target } = macro
  const keys = loop(1, NOT_IDENTIFIER, toList)({ ...macro, target: ident(offset, SORT_INPUT) })
  return bind(offset, SORT_INPUT, target!, call(offset, '@sortByAssociatedKeys', [keys!], ident(offset, SORT_INPUT)))
}

const SIMPLE_NAME = 'argument must be a simple name'
const NOT_IDENTIFIER = 'argument is not an identifier'

export const MACROS: Macros = new Map<string, Macro>([
  ['has:1:global', has],
  ['all:2:member', loop(1, SIMPLE_NAME, all)],
  ['exists:2:member', loop(1, SIMPLE_NAME, exists)],
  ['exists_one:2:member', loop(1, SIMPLE_NAME, existsOne)],
  ['map:2:member', loop(1, NOT_IDENTIFIER, toList)],
  ['map:3:member', loop(1, NOT_IDENTIFIER, toList)],
  ['filter:2:member', loop(1, NOT_IDENTIFIER, filter)],
  ['all:3:member', loop(2, SIMPLE_NAME, all)],
  ['exists:3:member', loop(2, SIMPLE_NAME, exists)],
  ['exists_one:3:member', loop(2, SIMPLE_NAME, existsOne)],
  ['existsOne:3:member', loop(2, SIMPLE_NAME, existsOne)],
  ['transformList:3:member', loop(2, SIMPLE_NAME, toList)],
  ['transformList:4:member', loop(2, SIMPLE_NAME, toList)],
  ['transformMap:3:member', loop(2, SIMPLE_NAME, toMap)],
  ['transformMap:4:member', loop(2, SIMPLE_NAME, toMap)],
  ['transformMapEntry:3:member', loop(2, SIMPLE_NAME, toMapEntries)],
  ['transformMapEntry:4:member', loop(2, SIMPLE_NAME, toMapEntries)],
  ['sortBy:2:member', sortBy],
  ['optMap:2:member', optional('optMap', (offset, result) => call(offset, 'optional.of', [result]))],
  ['optFlatMap:2:member', optional('optFlatMap', (_, result) => result)],
])

/** Device selectors have `cel.bind` besides. */
export const MACROS_WITH_BINDINGS: Macros = new Map([...MACROS, ['bind:3:member', celBind]])
