/** What else is wrong with a text that could be read in part: names that are reserved, macros with arguments that cannot be theirs. */
import { call, ident, list, literal, map, select, struct } from './ast.ts'
import type { Expr } from './ast.ts'
import type { Fragment } from './recovery.ts'
import type { RuleName } from './grammar.ts'
import type { Token } from './lexer.ts'

/** What the parser does with names, calls and literals. */
export interface Building {
  word(start: number, word: Token, dot: string): Expr
  fieldName(token: Token): string
  callOrMacro(offset: number, name: string, args: Expr[], target?: Expr): Expr
  literal(token: Token, isNegative: boolean): Expr
}

const isFragment = (part: Token | Fragment): part is Fragment => 'rule' in part
const fragmentsOf = ({ parts }: Fragment, rule?: RuleName): Fragment[] =>
  parts.filter((part) => isFragment(part)).filter((part) => rule === undefined || part.rule === rule)
const tokensOf = ({ parts }: Fragment): Token[] => parts.filter((part): part is Token => !isFragment(part))
const unknown = (offset: number): Expr => literal(offset, null)

export class FragmentReader {
  readonly #building: Building

  constructor(building: Building) {
    this.#building = building
  }

  read(fragment: Fragment | undefined): Expr {
    if (!fragment) return unknown(0)
    if (fragment.rule === 'member') return this.#member(fragment)
    if (fragment.rule === 'primary') return this.#primary(fragment)
    if (fragment.rule === 'literal') return this.#literal(fragment)
    const operands = fragmentsOf(fragment).map((part) => this.read(part))
    const operator = tokensOf(fragment).find(({ kind }) => kind !== 'end')
    if (operands.length === 1 && (!operator || fragment.rule === 'start')) return operands[0]!
    return operands.length > 0 && operator ? call(operator.offset, operator.text, operands) : unknown(fragment.offset)
  }

  #args(fragment: Fragment): Expr[] {
    return fragmentsOf(fragment, 'exprList').flatMap((args) => fragmentsOf(args).map((arg) => this.read(arg)))
  }

  /** Its parts in turn: the primary, then what is selected, called and indexed. */
  #member(fragment: Fragment): Expr {
    let expr = unknown(fragment.offset)
    const { parts } = fragment
    for (const [index, part] of parts.entries()) {
      const next = parts[index + 1]
      if (isFragment(part)) {
        if (part.rule === 'primary') expr = this.read(part)
        if (part.rule === 'escapeIdent') expr = this.#selected(expr, part)
        if (part.rule === 'expr') expr = call(part.offset, '_[_]', [expr, this.read(part)])
      } else if (part.kind === 'ident' && next && !isFragment(next) && next.text === '(') {
        const args = parts[index + 2]
        expr = this.#building.callOrMacro(next.offset, part.text, this.#args({ ...fragment, parts: args ? [args] : [] }), expr)
      }
    }
    return expr
  }

  #selected(operand: Expr, fragment: Fragment): Expr {
    const name = tokensOf(fragment)[0]
    return name ? select(fragment.offset, operand, this.#building.fieldName(name)) : operand
  }

  #primary(fragment: Fragment): Expr {
    const [first] = tokensOf(fragment)
    const inner = fragmentsOf(fragment)
    if (first?.text === '[')
      return list(
        first.offset,
        inner.flatMap((part) => fragmentsOf(part)).map((part) => this.read(part)),
        new Set(),
      )
    if (first?.text === '{') {
      for (const part of inner.flatMap((entries) => fragmentsOf(entries))) this.read(part)
      return map(first.offset, [])
    }
    const name = tokensOf(fragment).find(({ kind }) => kind === 'ident')
    if (!name) return inner[0] ? this.read(inner[0]) : unknown(fragment.offset)
    const dot = first === name ? '' : '.'
    if (fragment.alternative === 0) return this.#building.word(fragment.offset, name, dot)
    if (fragment.alternative === 1) {
      const open = tokensOf(fragment).find(({ text, kind }) => kind === 'symbol' && text === '(')
      this.#building.word(fragment.offset, name, dot)
      return this.#building.callOrMacro((open ?? name).offset, dot + name.text, this.#args(fragment))
    }
    for (const part of inner.flatMap((fields) => fragmentsOf(fields, 'expr'))) this.read(part)
    return struct(name.offset, dot + name.text, [])
  }

  #literal(fragment: Fragment): Expr {
    const token = tokensOf(fragment).at(-1)
    if (!token || token.text === '-') return unknown(fragment.offset)
    return token.kind === 'ident' ? ident(token.offset, token.text) : this.#building.literal(token, tokensOf(fragment).length > 1)
  }
}
