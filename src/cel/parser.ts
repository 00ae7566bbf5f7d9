/**
 * The grammar of the language: a parser by precedence, which expands macros as it meets them. Limits are cel-go's, so that
 * what upstream refuses for its size or depth is refused here with the same words.
 */
import { call, copyExpr, countParts, ident, list, literal, map, select, struct } from './ast.ts'
import { FragmentReader } from './fragments.ts'
import { readAnyhow } from './recovery.ts'
import { tokenize } from './lexer.ts'
import { parseInt64, parseUint64, unescapeBytes, unescapeString } from './literals.ts'
import { NOWHERE, SourceErrors } from './sourceErrors.ts'
import type { EntryExpr, Expr, FieldExpr } from './ast.ts'
import type { Token } from './lexer.ts'
import type { Macros } from './macros.ts'

const SIZE_LIMIT_CODE_POINTS = 100_000
const DEPTH_LIMIT = 250
const SYNTAX_ERRORS_LIMIT = 100
const EXPANSION_LIMIT = 100_000

const RELATIONS: Readonly<Record<string, string>> = {
  '<': '_<_',
  '<=': '_<=_',
  '>': '_>_',
  '>=': '_>=_',
  '==': '_==_',
  '!=': '_!=_',
  in: '@in',
}
const SUMS: Readonly<Record<string, string>> = { '+': '_+_', '-': '_-_' }
const PRODUCTS: Readonly<Record<string, string>> = { '*': '_*_', '/': '_/_', '%': '_%_' }
const WORDS_OF_THE_LANGUAGE = new Set(['in', 'true', 'false', 'null'])
const RESERVED = new Set('as break const continue else for function if import let loop package namespace return var void while'.split(' '))

type Rule = 'expr' | 'relation' | 'calc' | 'member'

/** Ends the parsing; what is wrong has been reported. */
class GivenUp {
  readonly name = 'GivenUp'
}

/** The text is no expression. */
class Misread {
  readonly name = 'Misread'
}

class Parser {
  readonly #errors: SourceErrors
  readonly #macros: Macros
  readonly #tokens: Token[]
  readonly #depths: Record<Rule, number> = { expr: 0, relation: 0, calc: 0, member: 0 }
  #position = 0
  #copiesLeft = EXPANSION_LIMIT

  constructor(source: string, macros: Macros, errors: SourceErrors) {
    this.#errors = errors
    this.#macros = macros
    this.#tokens = tokenize(source, (offset, text) => {
      if (errors.count < SYNTAX_ERRORS_LIMIT) errors.report(offset, `Syntax error: token recognition error at: '${text}'`)
    })
  }

  parse(): Expr {
    const expr = this.#expr()
    return this.#token.kind === 'end' ? expr : this.#misread()
  }

  /** Says what is wrong with a text that is no expression. */
  explain(source: string): void {
    const fragment = readAnyhow(source, this.#tokens, this.#errors)
    const reader = new FragmentReader({
      word: (start, { offset, text }, dot) => this.#name(start, offset, text, dot),
      fieldName: ({ kind, text, offset }) => this.#fieldName(kind, text, offset),
      callOrMacro: (offset, name, args, target) => this.#callOrMacro(offset, name, args, target),
      literal: ({ offset, kind, text }, isNegative) => this.#literalOf(offset, kind, text, isNegative) ?? literal(offset, null),
    })
    reader.read(fragment)
  }

  get #token(): Token {
    return this.#tokens[this.#position]!
  }

  #misread(): never {
    throw new Misread()
  }

  #is(symbol: string): boolean {
    const { kind, text } = this.#token
    return text === symbol && (kind === 'symbol' || (kind === 'ident' && symbol === 'in'))
  }

  /** The offset of the symbol when it comes next, and past it. */
  #accept(symbol: string): number | undefined {
    if (!this.#is(symbol)) return undefined
    return this.#tokens[this.#position++]!.offset
  }

  #expect(symbol: string): number {
    return this.#accept(symbol) ?? this.#misread()
  }

  /** One level deeper in the rule; the caller takes the levels back. */
  #enter(rule: Rule): void {
    if (++this.#depths[rule] <= DEPTH_LIMIT) return
    this.#errors.report(NOWHERE, `expression recursion limit exceeded: ${DEPTH_LIMIT}`)
    throw new GivenUp()
  }

  #expr(): Expr {
    this.#enter('expr')
    const condition = this.#logical('||', '_||_', () => this.#logical('&&', '_&&_', () => this.#relation()))
    const offset = this.#accept('?')
    let expr = condition
    if (offset !== undefined) {
      const whenTrue = this.#logical('||', '_||_', () => this.#logical('&&', '_&&_', () => this.#relation()))
      this.#expect(':')
      expr = call(offset, '_?_:_', [condition, whenTrue, this.#expr()])
    }
    this.#depths.expr--
    return expr
  }

  /** Chains are balanced, so that many terms do not mean great depth. */
  #logical(symbol: string, name: string, next: () => Expr): Expr {
    const terms = [next()]
    const offsets: number[] = []
    for (let offset = this.#accept(symbol); offset !== undefined; offset = this.#accept(symbol)) {
      offsets.push(offset)
      terms.push(next())
    }
    const balance = (low: number, high: number): Expr => {
      if (low === high) return terms[low]!
      const middle = (low + high + 1) >> 1
      return call(offsets[middle - 1]!, name, [balance(low, middle - 1), balance(middle, high)])
    }
    return balance(0, terms.length - 1)
  }

  #within(rule: Rule, next: () => Expr): Expr {
    const before = this.#depths[rule]
    this.#enter(rule)
    const expr = next()
    this.#depths[rule] = before
    return expr
  }

  /** Each operator of a chain is a level of its own. */
  #chain(rule: Rule, operators: Readonly<Record<string, string>>, next: () => Expr): Expr {
    let left = next()
    for (;;) {
      const { text, kind, offset } = this.#token
      const name = kind === 'symbol' || (kind === 'ident' && text === 'in') ? operators[text] : undefined
      if (name === undefined) break
      this.#position++
      this.#enter(rule)
      left = call(offset, name, [left, next()])
    }
    return left
  }

  #relation(): Expr {
    const product = (): Expr => this.#chain('calc', PRODUCTS, () => this.#unary())
    return this.#within('relation', () =>
      this.#chain('relation', RELATIONS, () => this.#within('calc', () => this.#chain('calc', SUMS, product))),
    )
  }

  #unary(): Expr {
    const { offset, text, kind } = this.#token
    if (kind !== 'symbol' || (text !== '!' && text !== '-')) return this.#member()
    const next = this.#tokens[this.#position + 1]!
    if (text === '-' && (next.kind === 'int' || next.kind === 'double')) return this.#member()
    let count = 0
    while (this.#is(text)) {
      this.#position++
      count++
    }
    const operand = this.#member()
    return count % 2 === 0 ? operand : call(offset, text === '!' ? '!_' : '-_', [operand])
  }

  #member(): Expr {
    const before = this.#depths.member
    this.#enter('member')
    let expr = this.#primary()
    for (;;) {
      const dot = this.#accept('.')
      const bracket = dot === undefined ? this.#accept('[') : undefined
      if (dot === undefined && bracket === undefined) break
      this.#enter('member')
      expr = dot === undefined ? this.#index(expr, bracket!) : this.#selection(expr, dot)
    }
    this.#depths.member = before
    return expr
  }

  #index(operand: Expr, offset: number): Expr {
    const isOptional = this.#accept('?') !== undefined
    const index = this.#expr()
    this.#expect(']')
    return call(offset, isOptional ? '_[?_]' : '_[_]', [operand, index])
  }

  #selection(operand: Expr, offset: number): Expr {
    const isOptional = this.#accept('?') !== undefined
    const { kind, text, offset: nameOffset } = this.#token
    if ((kind !== 'ident' && kind !== 'escaped') || WORDS_OF_THE_LANGUAGE.has(text)) this.#misread()
    this.#position++
    const name = this.#fieldName(kind, text, nameOffset)
    if (isOptional) return call(offset, '_?._', [operand, literal(nameOffset, name)])
    const open = kind === 'ident' ? this.#accept('(') : undefined
    if (open === undefined) return select(offset, operand, name)
    return this.#callOrMacro(open, name, this.#args(), operand)
  }

  #fieldName(kind: Token['kind'], text: string, offset: number): string {
    if (kind === 'ident') return text
    this.#errors.report(offset, "unsupported syntax: '`'")
    return text.slice(1, -1)
  }

  #callOrMacro(offset: number, name: string, args: Expr[], target?: Expr): Expr {
    const macro = this.#macros.get(`${name}:${args.length}:${target ? 'member' : 'global'}`)
    const expanded = macro?.({
      offset,
      args,
      target,
      fail: (at, message) => this.#errors.report(at, message),
      copy: (expr) => this.#copy(expr),
    })
    return expanded ?? call(offset, name, args, target)
  }

  /** Macros that repeat a part of the expression double it each time one holds another. */
  #copy(expr: Expr): Expr {
    this.#copiesLeft -= countParts(expr, this.#copiesLeft)
    if (this.#copiesLeft > 0) return copyExpr(expr)
    this.#errors.report(NOWHERE, `expression expands to more than ${EXPANSION_LIMIT} parts`)
    throw new GivenUp()
  }

  #args(): Expr[] {
    const args: Expr[] = []
    if (this.#accept(')') !== undefined) return args
    do args.push(this.#expr())
    while (this.#accept(',') !== undefined)
    this.#expect(')')
    return args
  }

  #primary(): Expr {
    const { kind, text, offset } = this.#token
    if (kind === 'ident') return this.#word(offset, this.#token, '')
    if (kind !== 'symbol') return this.#literal(offset, kind, text)
    if (text === '.') {
      this.#position++
      const word = this.#token
      if (word.kind !== 'ident' || WORDS_OF_THE_LANGUAGE.has(word.text)) this.#misread()
      return this.#word(offset, word, '.')
    }
    if (text === '-') {
      this.#position++
      return this.#literal(offset, this.#token.kind, this.#token.text, true)
    }
    this.#position++
    if (text === '(') {
      const expr = this.#expr()
      this.#expect(')')
      return expr
    }
    if (text === '[') return this.#list(offset)
    if (text === '{') return map(offset, this.#entries())
    this.#position--
    return this.#misread()
  }

  #word(start: number, { offset, text }: Token, dot: string): Expr {
    if (text === 'in') return this.#misread()
    this.#position++
    if (text === 'true' || text === 'false') return literal(offset, text === 'true')
    if (text === 'null') return literal(offset, null)
    const struct_ = this.#structName(dot + text)
    if (struct_ !== undefined) return this.#struct(struct_)
    const name = this.#name(start, offset, text, dot)
    const open = this.#accept('(')
    return open === undefined ? name : this.#callOrMacro(open, dot + text, this.#args())
  }

  #name(start: number, offset: number, text: string, dot: string): Expr {
    if (RESERVED.has(text)) this.#errors.report(start, `reserved identifier: ${text}`)
    return ident(offset, dot + text)
  }

  /** The name of an object under construction, `a.b.C` before a brace, and past it; undefined where it is something else. */
  #structName(first: string): string | undefined {
    let name = first
    let ahead = this.#position
    while (this.#tokens[ahead]!.text === '.' && this.#tokens[ahead + 1]!.kind === 'ident') {
      name += `.${this.#tokens[ahead + 1]!.text}`
      ahead += 2
    }
    if (this.#tokens[ahead]!.text !== '{' || this.#tokens[ahead]!.kind !== 'symbol') return undefined
    this.#position = ahead
    return name
  }

  #struct(typeName: string): Expr {
    const offset = this.#expect('{')
    const fields: FieldExpr[] = []
    while (!this.#is('}')) {
      const optional = this.#accept('?') !== undefined
      const { kind, text, offset: nameOffset } = this.#token
      if ((kind !== 'ident' && kind !== 'escaped') || WORDS_OF_THE_LANGUAGE.has(text)) this.#misread()
      this.#position++
      const name = this.#fieldName(kind, text, nameOffset)
      const colon = this.#expect(':')
      fields.push({ offset: colon, name, value: this.#expr(), optional })
      if (this.#accept(',') === undefined) break
    }
    this.#expect('}')
    return struct(offset, typeName, fields)
  }

  #list(offset: number): Expr {
    const elements: Expr[] = []
    const optionals = new Set<number>()
    while (!this.#is(']')) {
      if (this.#accept('?') !== undefined) optionals.add(elements.length)
      elements.push(this.#expr())
      if (this.#accept(',') === undefined) break
    }
    this.#expect(']')
    return list(offset, elements, optionals)
  }

  #entries(): EntryExpr[] {
    const entries: EntryExpr[] = []
    while (!this.#is('}')) {
      const optional = this.#accept('?') !== undefined
      const key = this.#expr()
      const colon = this.#expect(':')
      entries.push({ offset: colon, key, value: this.#expr(), optional })
      if (this.#accept(',') === undefined) break
    }
    this.#expect('}')
    return entries
  }

  #literal(offset: number, kind: Token['kind'], text: string, isNegative = false): Expr {
    const expr = this.#literalOf(offset, kind, text, isNegative)
    this.#position++
    return expr ?? this.#misread()
  }

  #literalOf(offset: number, kind: Token['kind'], text: string, isNegative: boolean): Expr | undefined {
    const read = {
      int: () => parseInt64(text, isNegative),
      uint: () => parseUint64(text),
      double: () => (Number.isFinite(Number(text)) ? Number(text) * (isNegative ? -1 : 1) : undefined),
      string: () => unescapeString(text),
      bytes: () => unescapeBytes(text),
    }[kind as 'int']
    if (!read) return undefined
    try {
      const value = read()
      if (value !== undefined) return literal(offset, value)
      this.#errors.report(offset, `invalid ${kind} literal`)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#errors.report(offset, error.message)
    }
    return literal(offset, null)
  }
}

/** What the source says; undefined where it says nothing that can be read, and why is in the errors. */
export function parse(source: string, macros: Macros, errors: SourceErrors): Expr | undefined {
  let sizeCodePoints = source.length
  if (sizeCodePoints > SIZE_LIMIT_CODE_POINTS) sizeCodePoints = [...source].length
  if (sizeCodePoints > SIZE_LIMIT_CODE_POINTS) {
    errors.report(NOWHERE, `expression code point size exceeds limit: size: ${sizeCodePoints}, limit ${SIZE_LIMIT_CODE_POINTS}`)
    return undefined
  }
  const draft = new SourceErrors(source)
  try {
    const expr = new Parser(source, macros, draft).parse()
    errors.take(draft)
    return errors.count === 0 ? expr : undefined
  } catch (error) {
    if (error instanceof GivenUp) errors.take(draft)
    else if (error instanceof Misread) explain(source, macros, errors)
    else throw error
    return undefined
  }
}

function explain(source: string, macros: Macros, errors: SourceErrors): void {
  try {
    new Parser(source, macros, errors).explain(source)
  } catch (error) {
    if (!(error instanceof GivenUp)) throw error
  }
}
