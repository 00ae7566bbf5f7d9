/**
 * Label selectors (`app in (a,b),tier!=x`, metav1.LabelSelector) and field selectors (`spec.nodeName=n`), with the grammar,
 * the meaning and the error texts of k8s.io/apimachinery/pkg/labels and fields.
 */
import type { LabelSelector } from './kinds/meta/v1.ts'
import { quote } from './quote.ts'
import { isLabelValue, isQualifiedName } from './validation/names.ts'

export class SelectorError extends Error {
  override readonly name = 'SelectorError'
}

export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt'

export interface LabelRequirement {
  readonly key: string
  readonly operator: LabelOperator
  /** Sorted, without doubles. */
  readonly values: readonly string[]
}

export type Labels = Readonly<Record<string, string>> | undefined

/** A selector that nothing matches; an empty list of requirements matches everything. */
export const NOTHING = Symbol('nothing')
export type Requirements = readonly LabelRequirement[] | typeof NOTHING

type TokenType = 'identifier' | 'in' | 'notin' | '(' | ')' | ',' | '!' | '=' | '==' | '!=' | '>' | '<' | 'end' | 'error'
interface Token {
  type: TokenType
  text: string
}

const SYMBOLS = ['==', '!=', '=', '!', '(', ')', ',', '>', '<'] as const
const BINARY_OPERATORS = 'in, notin, =, ==, !=, gt, lt'

function tokens(text: string): Token[] {
  const out: Token[] = []
  for (let at = 0; ;) {
    while (' \t\r\n'.includes(text[at] ?? 'x')) at++
    if (at >= text.length) return [...out, { type: 'end', text: '' }]
    const symbol = SYMBOLS.find((s) => text.startsWith(s, at))
    const word = symbol ?? (/[^=!(),<> \t\r\n]+/.exec(text.slice(at))?.[0] as string)
    out.push({ type: symbol ?? (word === 'in' || word === 'notin' ? word : 'identifier'), text: word })
    at += word.length
  }
}

function invalid(field: string, value: string, details: readonly string[]): string | undefined {
  return details.length ? `${field}: Invalid value: ${quote(value)}: ${details.join('; ')}` : undefined
}

function aggregate(errors: readonly (string | undefined)[]): void {
  const found = [...new Set(errors.filter((e) => e !== undefined))]
  if (found.length) throw new SelectorError(found.length === 1 ? found[0] : `[${found.join(', ')}]`)
}

const isInteger = (text: string): boolean => /^[+-]?\d{1,19}$/.test(text)

/** Throws SelectorError where key, operator and values do not go together. */
export function newRequirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const list = `[${values.map((v) => JSON.stringify(v)).join(',')}]`
  const errors = [invalid('key', key, isQualifiedName(key))]
  const refuse = (detail: string): void => void errors.push(`values: Invalid value: ${list}: ${detail}`)
  if ((operator === 'in' || operator === 'notin') && values.length === 0) refuse("for 'in', 'notin' operators, values set can't be empty")
  if ((operator === '=' || operator === '==' || operator === '!=') && values.length !== 1)
    refuse('exact-match compatibility requires one single value')
  if ((operator === 'exists' || operator === '!') && values.length !== 0) refuse('values set must be empty for exists and does not exist')
  if (operator === 'gt' || operator === 'lt') {
    if (values.length !== 1) refuse("for 'Gt', 'Lt' operators, exactly one value is required")
    values.forEach((value, i) => {
      if (!isInteger(value)) errors.push(invalid(`values[${i}]`, value, ["for 'Gt', 'Lt' operators, the value must be an integer"]))
    })
  }
  values.forEach((value, i) => errors.push(invalid(`values[${i}][${key}]`, value, isLabelValue(value))))
  aggregate(errors)
  return { key, operator, values: [...new Set(values)].sort() }
}

class LabelParser {
  readonly #tokens: Token[]
  #at = 0

  constructor(text: string) {
    this.#tokens = tokens(text)
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = []
    for (;;) {
      const next = this.#peek()
      if (next.type === 'end') return requirements
      if (next.type !== 'identifier' && next.type !== '!')
        throw new SelectorError(`found '${next.text}', expected: !, identifier, or 'end of string'`)
      requirements.push(this.#requirementOrError())
      const after = this.#take()
      if (after.type === 'end') return requirements
      if (after.type !== ',') throw new SelectorError(`found '${after.text}', expected: ',' or 'end of string'`)
      const following = this.#peek()
      if (following.type !== 'identifier' && following.type !== '!')
        throw new SelectorError(`found '${following.text}', expected: identifier after ','`)
    }
  }

  /** Where values may stand, `in` and `notin` are names like any other. */
  #asValue(token: Token): Token {
    return token.type === 'in' || token.type === 'notin' ? { type: 'identifier', text: token.text } : token
  }

  #peek(): Token {
    return this.#asValue(this.#tokens[this.#at] as Token)
  }

  #take(): Token {
    const token = this.#peek()
    if (this.#at < this.#tokens.length - 1) this.#at++
    return token
  }

  #requirementOrError(): LabelRequirement {
    try {
      return this.#requirement()
    } catch (error) {
      if (error instanceof SelectorError) throw new SelectorError(`unable to parse requirement: ${error.message}`, { cause: error })
      throw error
    }
  }

  #requirement(): LabelRequirement {
    let token = this.#take()
    const absent = token.type === '!'
    if (absent) token = this.#take()
    if (token.type !== 'identifier') throw new SelectorError(`found '${token.text}', expected: identifier`)
    const key = token.text
    aggregate([invalid('<nil>', key, isQualifiedName(key))])
    if (absent) return newRequirement(key, '!', [])
    const next = this.#peek().type
    if (next === 'end' || next === ',') return newRequirement(key, 'exists', [])
    const operator = this.#operator()
    return newRequirement(key, operator, operator === 'in' || operator === 'notin' ? this.#values() : [this.#exactValue()])
  }

  #operator(): LabelOperator {
    const token = this.#tokens[this.#at] as Token
    this.#take()
    switch (token.type) {
      case 'in':
      case 'notin':
      case '=':
      case '==':
      case '!=':
        return token.type
      case '>':
        return 'gt'
      case '<':
        return 'lt'
      default:
        throw new SelectorError(`found '${token.text}', expected: ${BINARY_OPERATORS}`)
    }
  }

  #values(): string[] {
    const open = this.#take()
    if (open.type !== '(') throw new SelectorError(`found '${open.text}' expected: '('`)
    const first = this.#peek()
    if (first.type === ')') {
      this.#take()
      return ['']
    }
    if (first.type !== 'identifier' && first.type !== ',')
      throw new SelectorError(`found '${first.text}', expected: ',', ')' or identifier`)
    const values = new Set<string>()
    for (;;) {
      const token = this.#take()
      const next = this.#peek().type
      if (token.type === 'identifier') {
        values.add(token.text)
        if (next !== ',' && next !== ')') throw new SelectorError(`found '${this.#peek().text}', expected: ',' or ')'`)
      } else if (token.type === ',') {
        if (values.size === 0 || next === ')' || next === ',') values.add('')
      } else throw new SelectorError(`found '${token.text}', expected: ',', or identifier`)
      if (next === ')') break
    }
    this.#take()
    return [...values].sort()
  }

  #exactValue(): string {
    const next = this.#peek()
    if (next.type === 'end' || next.type === ',') return ''
    this.#take()
    if (next.type !== 'identifier') throw new SelectorError(`found '${next.text}', expected: identifier`)
    return next.text
  }
}

/** Sorted by key. Throws SelectorError. */
export function parseLabelSelector(text: string): LabelRequirement[] {
  return new LabelParser(text).parse().sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
}

function matchesRequirement({ key, operator, values }: LabelRequirement, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'exists':
      return value !== undefined
    case '!':
      return value === undefined
    case '=':
    case '==':
    case 'in':
      return value !== undefined && values.includes(value)
    case '!=':
    case 'notin':
      return value === undefined || !values.includes(value)
    default: {
      if (value === undefined || !isInteger(value)) return false
      const [have, want] = [BigInt(value), BigInt(values[0] as string)]
      return operator === 'gt' ? have > want : have < want
    }
  }
}

export function matchesLabels(requirements: Requirements, labels: Labels): boolean {
  if (requirements === NOTHING) return false
  return requirements.every((r) => matchesRequirement(r, labels ?? {}))
}

const SELECTOR_OPERATORS: Record<string, LabelOperator> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' }

/** Of a metav1.LabelSelector: none at all selects nothing, an empty one selects everything. Throws SelectorError. */
export function labelSelectorRequirements(selector: LabelSelector | null | undefined): Requirements {
  if (!selector) return NOTHING
  const byLabel = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => newRequirement(key, '=', [value]))
  const byExpression = (selector.matchExpressions ?? []).map(({ key, operator, values }) => {
    const known = SELECTOR_OPERATORS[operator]
    if (!known) throw new SelectorError(`"${operator}" is not a valid label selector operator`)
    return newRequirement(key, known, values ?? [])
  })
  return [...byLabel, ...byExpression]
}

/** Whether a metav1.LabelSelector selects an object with these labels; an invalid selector selects nothing. */
export function labelSelectorMatches(selector: LabelSelector | null | undefined, labels: Labels): boolean {
  return labelMatcher(selector)(labels)
}

/** The same, for one selector and many objects. */
export function labelMatcher(selector: LabelSelector | null | undefined): (labels: Labels) => boolean {
  let requirements: Requirements
  try {
    requirements = labelSelectorRequirements(selector)
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error
    requirements = NOTHING
  }
  return (labels) => matchesLabels(requirements, labels)
}

/** Whether a plain map (Service and ReplicationController selectors) is part of the labels. An empty map matches everything. */
export function selectsAll(selector: Readonly<Record<string, string>> | undefined, labels: Labels): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels !== undefined && Object.hasOwn(labels, key) && labels[key] === value)
}

function requirementText({ key, operator, values }: LabelRequirement): string {
  if (operator === 'exists') return key
  if (operator === '!') return `!${key}`
  if (operator === 'in' || operator === 'notin') return `${key} ${operator} (${values.join(',')})`
  return `${key}${operator === 'gt' ? '>' : operator === 'lt' ? '<' : operator}${values[0] ?? ''}`
}

/** As upstream prints it and the API takes it. */
export function formatRequirements(requirements: readonly LabelRequirement[]): string {
  return requirements.map(requirementText).join(',')
}

/** A metav1.LabelSelector as text, e.g. for a list request or `scale.status.selector`. */
export function formatLabelSelector(selector: LabelSelector | null | undefined): string {
  const requirements = labelSelectorRequirements(selector)
  return requirements === NOTHING ? '' : formatRequirements(requirements.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)))
}

export interface FieldTerm {
  readonly field: string
  readonly value: string
  readonly negated: boolean
}

function unescapeValue(text: string): string {
  if (!/[\\,=]/.test(text)) return text
  let out = ''
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (char === ',' || char === '=')
      throw new SelectorError(`invalid field selector: unescaped character in value: ${char.codePointAt(0)}`)
    if (char !== '\\') {
      out += char
      continue
    }
    const next = text[++at]
    if (next === undefined || !'\\,='.includes(next))
      throw new SelectorError(`invalid field selector: invalid escape sequence: \\${next ?? ''}`)
    out += next
  }
  return out
}

/** Sorted, all of them must hold. Which fields there are is for the caller to say. Throws SelectorError. */
export function parseFieldSelector(text: string): FieldTerm[] {
  const parts = text.match(/(?:\\[\s\S]|[^\\,])+\\?/g) ?? []
  return parts.sort().map((part) => {
    const match = /^(.*?)(!=|==|=)([\s\S]*)$/s.exec(part)
    if (!match) throw new SelectorError(`invalid selector: '${text}'; can't understand '${part}'`)
    const [, field = '', operator, value = ''] = match
    return { field, value: unescapeValue(value), negated: operator === '!=' }
  })
}

/** `valueOf` answers a field's value, '' where it is not set. */
export function matchesFields(terms: readonly FieldTerm[], valueOf: (field: string) => string): boolean {
  return terms.every(({ field, value, negated }) => (valueOf(field) === value) !== negated)
}
