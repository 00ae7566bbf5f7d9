/** Reads a configuration file's objects member by member; what is wrong is collected, and told as upstream tells it. */
import { ConfigurationError } from '../pluginPoints.ts'

export type Json = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What was found wrong with a file: fields that are not known, then values that may not be. */
export class Findings {
  readonly unknown: string[] = []
  readonly invalid: string[] = []

  /** @throws ConfigurationError */
  check(): void {
    if (this.unknown.length > 0) throw new ConfigurationError(`strict decoding error: ${this.unknown.join(', ')}`)
    if (this.invalid.length > 0) throw new ConfigurationError(aggregate(this.invalid))
  }
}

export const aggregate = (messages: readonly string[]): string =>
  messages.length === 1 ? (messages[0] as string) : `[${messages.join(', ')}]`

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value)

const UNITS_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** One object; what is left over at its end was not known. */
export class Reader {
  readonly findings: Findings
  readonly path: string
  /** What Go calls the object's type, for what it says of values of a wrong one. */
  readonly #type: string
  readonly #value: Json
  readonly #read = new Set(['apiVersion', 'kind'])

  constructor(value: unknown, path: string, type: string, findings: Findings) {
    this.#type = type
    this.path = path
    this.findings = findings
    if (value !== undefined && value !== null && !isObject(value)) throw this.#wrongType(value, '', type)
    this.#value = isObject(value) ? value : {}
  }

  at(key: string): string {
    return this.path ? `${this.path}.${key}` : key
  }

  has(key: string): boolean {
    return this.#value[key] !== undefined && this.#value[key] !== null
  }

  raw(key: string): unknown {
    this.#read.add(key)
    return this.#value[key] ?? undefined
  }

  invalid(key: string, value: string | number, why: string): void {
    this.findings.invalid.push(`${this.at(key)}: Invalid value: ${typeof value === 'string' ? JSON.stringify(value) : value}: ${why}`)
  }

  required(key: string, why = ''): void {
    this.findings.invalid.push(`${this.at(key)}: Required value${why && `: ${why}`}`)
  }

  unsupported(key: string, value: string, supported: readonly string[]): void {
    const texts = supported.map((one) => JSON.stringify(one)).join(', ')
    this.findings.invalid.push(`${this.at(key)}: Unsupported value: ${JSON.stringify(value)}: supported values: ${texts}`)
  }

  #wrongType(value: unknown, key: string, type: string): ConfigurationError {
    const field = [
      this.#type,
      ...this.at(key)
        .replace(/\[\d+\]/g, '')
        .split('.'),
    ]
      .filter((part) => part !== '')
      .join('.')
    return new ConfigurationError(`json: cannot unmarshal ${kindOf(value)} into Go struct field ${field} of type ${type}`)
  }

  #typed<T>(key: string, type: string, goType: string, fallback: T): T {
    const value = this.raw(key)
    if (value === undefined) return fallback
    if (typeof value !== type) throw this.#wrongType(value, key, goType)
    return value as T
  }

  string(key: string, fallback = ''): string {
    return this.#typed(key, 'string', 'string', fallback)
  }

  boolean(key: string, fallback = false): boolean {
    return this.#typed(key, 'boolean', 'bool', fallback)
  }

  integer(key: string, fallback: number): number {
    const value = this.#typed(key, 'number', 'int32', fallback)
    if (!Number.isInteger(value)) throw this.#wrongType(value, key, 'int32')
    return value
  }

  /** An integer within bounds that are told as `[min, max]`, or otherwise as `range` says. */
  within(key: string, fallback: number, min: number, max: number, range = `[${min}, ${max}]`): number {
    const value = this.integer(key, fallback)
    if (value < min || value > max) this.invalid(key, value, `not in valid range ${range}`)
    return value
  }

  /** A duration as Go writes it, `5s`, `1m30s`, `-100ms`. */
  durationMs(key: string, fallbackMs: number): number {
    const text = this.string(key)
    if (!this.has(key)) return fallbackMs
    const [, sign, digits = ''] = /^([+-]?)(.*)$/.exec(text) ?? []
    if (digits === '0') return 0
    const parts = [...digits.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g)]
    if (digits === '' || parts.map(([part]) => part).join('') !== digits) throw new ConfigurationError(`time: invalid duration "${text}"`)
    const ms = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS_MS[unit as string] as number), 0)
    return sign === '-' ? -ms : ms
  }

  object(key: string, type = key): Reader {
    return new Reader(this.raw(key), this.at(key), type, this.findings)
  }

  list<T>(key: string, type: string, read: (item: Reader, at: number) => T): T[] {
    const value = this.raw(key)
    if (value === undefined) return []
    if (!Array.isArray(value)) throw this.#wrongType(value, key, `[]${type}`)
    return value.map((item: unknown, i) => {
      const reader = new Reader(item, `${this.at(key)}[${i}]`, type.split('.').at(-1) as string, this.findings)
      const result = read(reader, i)
      reader.end()
      return result
    })
  }

  strings(key: string): string[] {
    const value = this.raw(key)
    if (value === undefined) return []
    if (!Array.isArray(value)) throw this.#wrongType(value, key, '[]string')
    const strange: unknown = value.find((item) => typeof item !== 'string')
    if (strange !== undefined) throw this.#wrongType(strange, key, 'string')
    return value as string[]
  }

  /** Names of members that nobody asked for. */
  get leftOver(): string[] {
    return Object.keys(this.#value).filter((key) => !this.#read.has(key))
  }

  end(): void {
    for (const key of this.leftOver) this.findings.unknown.push(`unknown field "${this.at(key)}"`)
  }
}
