/** Errors with their place in an expression, laid out as cel-go prints them. */
const ERRORS_LIMIT = 100
const SNIPPET_LENGTH_LIMIT = 16_384

/** An error that belongs to no place. */
export const NOWHERE = -1

interface SourceError {
  line: number
  column: number
  message: string
}

export class SourceErrors {
  readonly #lines: string[]
  readonly #errors: SourceError[] = []
  #count = 0

  constructor(source: string) {
    this.#lines = source.split('\n')
  }

  get count(): number {
    return this.#count
  }

  /** The offset counts UTF-16 units; what is printed counts code points. */
  report(offset: number, message: string): void {
    this.#count++
    if (this.#count > ERRORS_LIMIT) return
    if (offset === NOWHERE) {
      this.#errors.push({ line: -1, column: -1, message })
      return
    }
    // Of an empty text no place is known, and cel-go shows none.
    if (this.#lines.length === 1 && this.#lines[0] === '') {
      this.#errors.push({ line: 1, column: -1, message })
      return
    }
    let rest = offset
    let line = 0
    while (line < this.#lines.length - 1 && rest > this.#lines[line]!.length) rest -= this.#lines[line++]!.length + 1
    this.#errors.push({ line: line + 1, column: [...this.#lines[line]!.slice(0, rest)].length, message })
  }

  /** Those of another reading of the same source. */
  take(others: SourceErrors): void {
    this.#errors.push(...others.#errors)
    this.#count += others.#count
  }

  toString(): string {
    const sorted = this.#errors.toSorted((a, b) => a.line - b.line || a.column - b.column)
    const texts = sorted.map((error) => this.#format(error))
    if (this.#count > ERRORS_LIMIT) texts.push(`${this.#count - ERRORS_LIMIT} more errors were truncated`)
    return texts.join('\n')
  }

  #format({ line, column, message }: SourceError): string {
    const head = `ERROR: <input>:${line}:${column + 1}: ${message}`
    const snippet = this.#lines[line - 1]?.replaceAll('\t', ' ')
    if (snippet === undefined || column < 0 || snippet.length > SNIPPET_LENGTH_LIMIT) return head
    const characters = [...snippet]
    const isWide = (character: string | undefined): boolean => character !== undefined && character.codePointAt(0)! > 0x7f
    const dots = characters.slice(0, column).map((character) => (isWide(character) ? '．' : '.'))
    return `${head}\n | ${snippet}\n | ${dots.join('')}${isWide(characters[column]) ? '＾' : '^'}`
  }
}
