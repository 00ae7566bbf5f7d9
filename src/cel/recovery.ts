/**
 * What is wrong with a text that is no expression. Where a word is out of place, the reading goes on as ANTLR's does: by passing over
 * one word, by taking one as said, or by leaving the rule up to a word that may follow one of those it is in. So the messages
 * are, in number, place and words, those that cel-go prints. The parser proper reads what is right, and is quick.
 */
import { END_OF_RULE, WORDS, grammar, wordsAt } from './grammar.ts'
import { NOWHERE } from './sourceErrors.ts'
import type { Place, RuleName } from './grammar.ts'
import type { SourceErrors } from './sourceErrors.ts'
import type { Token } from './lexer.ts'

const RECOVERIES_LIMIT = 30
const PASSED_OVER_LIMIT = 256
const SYNTAX_ERRORS_LIMIT = 100
const DEPTH_LIMIT = 250

const TOKEN_WORDS: Readonly<Record<Exclude<Token['kind'], 'ident' | 'symbol'>, string>> = {
  escaped: 'ESC_IDENTIFIER',
  int: 'NUM_INT',
  uint: 'NUM_UINT',
  double: 'NUM_FLOAT',
  string: 'STRING',
  bytes: 'BYTES',
  end: 'EOF',
}
/** Space and comments. */
const HIDDEN = /^(?:[\t \r\n\f]|\/\/[^\n]*)*/
const KEYWORDS = new Set(['in', 'true', 'false', 'null'])

function wordOf({ kind, text }: Token): string {
  if (kind === 'symbol') return text
  if (kind === 'ident') return KEYWORDS.has(text) ? text : 'IDENTIFIER'
  return TOKEN_WORDS[kind]
}

/** What was read of a rule: its words and the rules in it; the alternative is the one of its last choice. */
export interface Fragment {
  readonly rule: RuleName
  readonly offset: number
  readonly parts: (Token | Fragment)[]
  alternative?: number
}

/** The rule under way, the one that called it, and where that goes on. */
interface Frame {
  readonly caller: Frame | undefined
  readonly follow: Place | undefined
  readonly precedence: number
  readonly fragment: Fragment
}

/** Leaves the rule. */
class Unreadable {
  readonly message: string
  readonly token: Token

  constructor(message: string, token: Token) {
    this.message = message
    this.token = token
  }
}

/** Ends the reading; what is to be said has been said. */
class Hopeless {
  readonly name = 'Hopeless'
}

function listed(words: ReadonlySet<string>): string {
  const shown = WORDS.filter((word) => words.has(word)).map((word) => (word === 'EOF' ? '<EOF>' : /^[A-Z]/.test(word) ? word : `'${word}'`))
  return shown.length === 1 ? shown[0]! : `{${shown.join(', ')}}`
}

const quoted = (text: string): string =>
  `'${text
    .replaceAll('\t', String.raw`\t`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('\r', String.raw`\r`)}'`

class Reader {
  readonly #source: string
  readonly #tokens: readonly Token[]
  readonly #errors: SourceErrors
  #position = 0
  #at: Place | undefined
  #frame: Frame | undefined
  #recovering = false
  #recoveries = 0
  #depth = 0
  #lastRecovery: { position: number; places: Set<Place | undefined> } | undefined

  constructor(source: string, tokens: readonly Token[], errors: SourceErrors) {
    this.#source = source
    this.#tokens = tokens
    this.#errors = errors
  }

  get #token(): Token {
    return this.#tokens[this.#position]!
  }

  /** The word that comes next, or the one after it. */
  #ahead(distance = 1): string {
    return wordOf(this.#tokens[Math.min(this.#position + distance, this.#tokens.length) - 1] ?? this.#tokens.at(-1)!)
  }

  rule(name: RuleName, follow: Place | undefined, precedence = 0): Fragment {
    const fragment: Fragment = { rule: name, offset: this.#token.offset, parts: [] }
    const caller = this.#frame
    if (name === 'expr' && ++this.#depth > DEPTH_LIMIT) {
      this.#errors.report(NOWHERE, `expression recursion limit exceeded: ${DEPTH_LIMIT}`)
      throw new Hopeless()
    }
    this.#frame = { caller, follow, precedence, fragment }
    try {
      this.#run(grammar()[name], undefined)
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      this.#report(error.message, error.token)
      this.#recover()
    }
    this.#frame = caller
    if (name === 'expr') this.#depth--
    return fragment
  }

  /** From a place to another one, or to the end of the rule. */
  #run(from: Place | undefined, to: Place | undefined): void {
    for (let place = from; place && place !== to && place.kind !== 'again'; place = place.next) this.#step(place)
  }

  #step(place: Place): void {
    this.#at = place
    switch (place.kind) {
      case 'word':
        return this.#match(place)
      case 'operator':
        return this.#take()
      case 'rule':
        return void this.#frame!.fragment.parts.push(this.rule(place.rule, place.next, place.precedence))
      case 'optional':
        this.#synchronize(place)
        if (wordsAt(place.body).has(this.#ahead())) this.#run(place.body, place.next)
        return
      case 'star':
        while (this.#goesOn(place.body)) this.#run(place.body, place)
        return
      case 'plus':
        return this.#repeat(place.body)
      default:
        return this.#choose(place as Place & { kind: 'choice' })
    }
  }

  #repeat(body: Place): void {
    this.#synchronize(this.#at!)
    do {
      this.#run(body, undefined)
      let again: Place | undefined = body
      while (again && again.kind !== 'again') again = again.next
      this.#at = again
      this.#synchronizeLoop()
    } while (wordsAt(body).has(this.#ahead()))
  }

  /** A comma before a closing bracket ends the list. */
  #goesOn(body: Place): boolean {
    const next = this.#ahead()
    if (body.kind === 'choice' && this.#frame!.fragment.rule === 'calc') {
      const precedence = next === '*' || next === '/' || next === '%' ? 2 : 1
      return wordsAt(body).has(next) && precedence >= this.#frame!.precedence
    }
    if (body.kind === 'operator') return body.words.includes(next) && this.#frame!.precedence <= 1
    if (!wordsAt(body).has(next)) return false
    return next !== ',' || this.#frame!.fragment.rule === 'exprList' || wordsAt(body.next).has(this.#ahead(2))
  }

  #choose(place: Place & { kind: 'choice' }): void {
    this.#synchronize(place)
    const { rule } = this.#frame!.fragment
    const alternative = this.#alternativeOf(rule, place.alternatives)
    this.#frame!.fragment.alternative = alternative
    this.#run(place.alternatives[alternative], place.next)
  }

  #alternativeOf(rule: RuleName, alternatives: readonly Place[]): number {
    const next = this.#ahead()
    const fitting = alternatives.flatMap((alternative, index) => (wordsAt(alternative).has(next) ? [index] : []))
    if (fitting.length === 0) this.#noAlternative(1)
    if (fitting.length === 1) return fitting[0]!
    const second = this.#ahead(2)
    if (rule === 'primary') return this.#named(fitting)
    if (rule === 'member') return this.#selected(second)
    if (second === 'NUM_INT' || second === 'NUM_FLOAT') return rule === 'literal' && second === 'NUM_FLOAT' ? 2 : 0
    if (rule === 'unary' && (second === '-' || wordsAt(alternatives[0]).has(second))) return 2
    return this.#noAlternative(2)
  }

  /** A name, a call, or an object: which of them, the first bracket tells. */
  #named([name, call, object]: readonly number[]): number {
    let distance = this.#ahead() === '.' ? 2 : 1
    if (this.#ahead(distance) !== 'IDENTIFIER') this.#noAlternative(2)
    if (this.#ahead(distance + 1) === '(') return call!
    while (this.#ahead(distance + 1) === '.' && this.#ahead(distance + 2) === 'IDENTIFIER') distance += 2
    return this.#ahead(distance + 1) === '{' ? object! : name!
  }

  #selected(second: string): number {
    if (second === 'IDENTIFIER') return this.#ahead(3) === '(' ? 1 : 0
    if (second === '?' || second === 'ESC_IDENTIFIER') return 0
    return this.#noAlternative(2)
  }

  #noAlternative(distance: 1 | 2): never {
    const last = this.#tokens[Math.min(this.#position + distance, this.#tokens.length) - 1]!
    const text = this.#token.kind === 'end' ? '<EOF>' : this.#textUpTo(last)
    const keyword = /^.(true|false|null)$/s.exec(text)?.[1]
    throw new Unreadable(
      keyword ? `mismatched input '${keyword}' expecting IDENTIFIER` : `no viable alternative at input ${quoted(text)}`,
      last,
    )
  }

  /** With the space between the words, and without what is no word. */
  #textUpTo(last: Token): string {
    let text = ''
    for (let at = this.#position; at < this.#tokens.length; at++) {
      const token = this.#tokens[at]!
      if (at > this.#position) {
        const before = this.#tokens[at - 1]!
        text += HIDDEN.exec(this.#source.slice(before.offset + before.text.length, token.offset))![0]
      }
      if (token.kind !== 'end') text += token.text
      if (token === last) break
    }
    return text
  }

  #take(): void {
    this.#recovering = false
    this.#lastRecovery = undefined
    this.#consume()
  }

  #consume(): void {
    if (!this.#recovering) this.#frame!.fragment.parts.push(this.#token)
    if (this.#token.kind !== 'end') this.#position++
  }

  #match(place: Place & { kind: 'word' }): void {
    if (this.#ahead() === place.word) return this.#take()
    this.#countRecovery()
    if (this.#passOverOne()) return this.#consume()
    if (!this.#expectedAt(place.next).has(this.#ahead())) this.#mismatch()
    this.#say(() => `missing ${listed(this.#expected())} at ${this.#shown()}`)
  }

  #mismatch(): never {
    throw new Unreadable(`mismatched input ${this.#shown()} expecting ${listed(this.#expected())}`, this.#token)
  }

  #shown(): string {
    return quoted(this.#token.text)
  }

  /** What may come at the place where the reading is, with what may follow where its rules may end. */
  #expected(): Set<string> {
    return this.#expectedAt(this.#at)
  }

  #expectedAt(place: Place | undefined): Set<string> {
    const words = new Set(wordsAt(place))
    for (let frame = this.#frame; words.delete(END_OF_RULE); frame = frame.caller) {
      if (!frame?.caller) {
        words.add('EOF')
        break
      }
      for (const word of wordsAt(frame.follow)) words.add(word)
    }
    return words
  }

  /** Before a decision: what cannot stand here is passed over if what comes after it can. */
  #synchronize(place: Place): void {
    if (this.#recovering) return
    const words = wordsAt(place)
    if (words.has(END_OF_RULE) || words.has(this.#ahead())) return
    if (!this.#passOverOne()) this.#mismatch()
  }

  /** After a turn of a loop. */
  #synchronizeLoop(): void {
    if (this.#recovering || wordsAt(this.#at).has(this.#ahead())) return
    this.#say(() => `extraneous input ${this.#shown()} expecting ${listed(this.#expected())}`)
    this.#passOver(new Set([...this.#expected(), ...this.#followers()]))
  }

  #passOverOne(): boolean {
    if (!this.#expected().has(this.#ahead(2))) return false
    this.#say(() => `extraneous input ${this.#shown()} expecting ${listed(this.#expected())}`)
    this.#consume()
    this.#recovering = false
    this.#lastRecovery = undefined
    return true
  }

  #followers(): Set<string> {
    const words = new Set<string>()
    for (let frame = this.#frame; frame?.caller; frame = frame.caller) for (const word of wordsAt(frame.follow)) words.add(word)
    words.delete(END_OF_RULE)
    return words
  }

  #recover(): void {
    this.#countRecovery()
    const last = this.#lastRecovery
    if (last?.position === this.#position && last.places.has(this.#at)) this.#consume()
    this.#lastRecovery = { position: this.#position, places: (last?.places ?? new Set()).add(this.#at) }
    this.#passOver(this.#followers())
  }

  #passOver(until: ReadonlySet<string>): void {
    for (let count = 0; this.#token.kind !== 'end' && !until.has(this.#ahead()); count++) {
      if (count >= PASSED_OVER_LIMIT) {
        this.#errors.report(NOWHERE, `error recovery token lookahead limit exceeded: ${PASSED_OVER_LIMIT}`)
        throw new Hopeless()
      }
      this.#consume()
    }
  }

  #countRecovery(): void {
    if (this.#recoveries++ < RECOVERIES_LIMIT) return
    this.#notify(`error recovery attempt limit exceeded: ${RECOVERIES_LIMIT}`, this.#token)
    throw new Hopeless()
  }

  /** Once for each place that is wrong: not again until a word has fitted. */
  #say(message: () => string): void {
    if (!this.#recovering) this.#report(message(), this.#token)
  }

  #report(message: string, token: Token): void {
    if (this.#recovering) return
    this.#recovering = true
    this.#notify(message, token)
  }

  #notify(message: string, { offset }: Token): void {
    const isOneMore = this.#errors.count >= SYNTAX_ERRORS_LIMIT
    this.#errors.report(offset, `Syntax error: ${isOneMore ? `More than ${SYNTAX_ERRORS_LIMIT} syntax errors` : message}`)
    if (isOneMore) throw new Hopeless()
  }
}

/** Reports what is wrong; answers what could be read, or undefined where that was given up. */
export function readAnyhow(source: string, tokens: readonly Token[], errors: SourceErrors): Fragment | undefined {
  try {
    return new Reader(source, tokens, errors).rule('start', undefined)
  } catch (error) {
    if (error instanceof Hopeless) return undefined
    throw error
  }
}
