/** Semantic versions. */
import { Fault, OpaqueValue } from '../values.ts'
import { func, member } from '../overloads.ts'
import type { Overload } from '../overloads.ts'

interface Version {
  numbers: readonly [bigint, bigint, bigint]
  prerelease: readonly string[]
  text: string
}

const UINT_MAX = 2n ** 64n - 1n
const isNumeric = (text: string): boolean => /^\d+$/.test(text)

class VersionError extends Error {
  override readonly name = 'VersionError'
}

function numberOf(text: string, what: string): bigint {
  if (!isNumeric(text)) throw new VersionError(`Invalid character(s) found in ${what} number ${JSON.stringify(text)}`)
  if (/^0\d/.test(text))
    throw new VersionError(`${what[0]!.toUpperCase()}${what.slice(1)} number must not contain leading zeroes ${JSON.stringify(text)}`)
  const value = BigInt(text)
  if (value > UINT_MAX) throw new VersionError(`strconv.ParseUint: parsing ${JSON.stringify(text)}: value out of range`)
  return value
}

function checkParts(parts: readonly string[], what: string, refusesZeroes: boolean): void {
  for (const part of parts) {
    if (part === '') throw new VersionError(what === 'prerelease' ? 'Prerelease is empty' : 'Build meta data is empty')
    if (!/^[0-9A-Za-z-]+$/.test(part)) {
      throw new VersionError(
        `Invalid character(s) found in ${what === 'prerelease' ? 'prerelease' : 'build meta data'} ${JSON.stringify(part)}`,
      )
    }
    if (refusesZeroes && /^0\d+$/.test(part))
      throw new VersionError(`Numeric PreRelease version must not contain leading zeroes ${JSON.stringify(part)}`)
  }
}

function parse(text: string): Version {
  if (text === '') throw new VersionError('Version string empty')
  const [major, minor, ...rest] = text.split('.')
  if (minor === undefined || rest.length === 0) throw new VersionError('No Major.Minor.Patch elements found')
  const tail = rest.join('.')
  const plus = tail.indexOf('+')
  const build = plus < 0 ? undefined : tail.slice(plus + 1).split('.')
  const beforeBuild = plus < 0 ? tail : tail.slice(0, plus)
  const dash = beforeBuild.indexOf('-')
  const prerelease = dash < 0 ? undefined : beforeBuild.slice(dash + 1).split('.')
  const patch = dash < 0 ? beforeBuild : beforeBuild.slice(0, dash)
  const numbers = [numberOf(major!, 'major'), numberOf(minor, 'minor'), numberOf(patch, 'patch')] as const
  checkParts(prerelease ?? [], 'prerelease', true)
  checkParts(build ?? [], 'build', false)
  return { numbers, prerelease: prerelease ?? [], text }
}

/** `v1.2` is 1.2.0, and zeroes before a number do not count. */
function normalized(text: string): string {
  const [first = '', second, ...rest] = text.replace(/^v/, '').split('.')
  const parts = [first, ...(second === undefined ? [] : [second]), ...(rest.length > 0 ? [rest.join('.')] : [])]
  const trimmed = parts.map((part) => (part.length > 1 ? part.replace(/^0+(?=\d)/, '') : part))
  if (trimmed.length < 3 && /[+-]/.test(trimmed.at(-1)!)) throw new VersionError('short version cannot contain PreRelease/Build meta data')
  while (trimmed.length < 3) trimmed.push('0')
  return trimmed.join('.')
}

function comparePrereleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Math.sign(b.length - a.length)
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]!, b[i]!]
    if (x === y) continue
    if (isNumeric(x) && isNumeric(y)) return BigInt(x) < BigInt(y) ? -1 : 1
    if (isNumeric(x) !== isNumeric(y)) return isNumeric(x) ? -1 : 1
    return x < y ? -1 : 1
  }
  return Math.sign(a.length - b.length)
}

class SemverValue extends OpaqueValue {
  readonly typeName = 'kubernetes.Semver'
  readonly version: Version

  constructor(version: Version) {
    super()
    this.version = version
  }

  compare(other: SemverValue): number {
    for (const [i, number] of this.version.numbers.entries()) {
      const against = other.version.numbers[i]!
      if (number !== against) return number < against ? -1 : 1
    }
    return comparePrereleases(this.version.prerelease, other.version.prerelease)
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof SemverValue && this.compare(other) === 0
  }

  toJSON(): string {
    return this.version.text
  }
}

function guarded<T>(read: () => T): T | VersionError {
  try {
    return read()
  } catch (error) {
    if (error instanceof VersionError) return error
    throw error
  }
}

const read = (text: string, normalizes = false): SemverValue | VersionError =>
  guarded(() => new SemverValue(parse(normalizes ? normalized(text) : text)))

/** @throws Fault */
export function toSemver(text: string, normalizes = false): SemverValue {
  const version = read(text, normalizes)
  if (version instanceof VersionError) throw new Fault(version.message)
  return version
}

const isSemver = (text: string, normalizes = false): boolean => read(text, normalizes) instanceof SemverValue

const S = 'kubernetes.Semver'
const number =
  (i: 0 | 1 | 2) =>
  ({ version }: SemverValue): bigint =>
    version.numbers[i]

export const SEMVER: readonly Overload[] = [
  func('string_to_semver', 'semver', 'string', S, (text: string) => toSemver(text)),
  func('string_bool_to_semver', 'semver', 'string, bool', S, toSemver),
  func('is_semver_string', 'isSemver', 'string', 'bool', (text: string) => isSemver(text)),
  func('is_semver_string_bool', 'isSemver', 'string, bool', 'bool', isSemver),
  member('semver_is_greater_than', 'isGreaterThan', `${S}, ${S}`, 'bool', (a: SemverValue, b: SemverValue) => a.compare(b) > 0),
  member('semver_is_less_than', 'isLessThan', `${S}, ${S}`, 'bool', (a: SemverValue, b: SemverValue) => a.compare(b) < 0),
  member('semver_compare_to', 'compareTo', `${S}, ${S}`, 'int', (a: SemverValue, b: SemverValue) => BigInt(a.compare(b))),
  member('semver_major', 'major', S, 'int', number(0)),
  member('semver_minor', 'minor', S, 'int', number(1)),
  member('semver_patch', 'patch', S, 'int', number(2)),
]
