/** Regular expressions as Go has them: in linear time, whatever the pattern and the text. Compiled ones are kept. */
import { RE2JS, RE2JSException } from 're2js'
import { Fault } from '../values.ts'

const PATTERNS_LIMIT = 1000
const patterns = new Map<string, RE2JS>()

/** What is wrong with a pattern, in Go's words; undefined where nothing is. */
export function patternError(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern)
    return undefined
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    return error.message
  }
}

/** @throws Fault for what is no pattern */
export function patternOf(text: string): RE2JS {
  const known = patterns.get(text)
  if (known) return known
  const error = patternError(text)
  if (error !== undefined) throw new Fault(error)
  const pattern = RE2JS.compile(text)
  if (patterns.size >= PATTERNS_LIMIT) patterns.delete(patterns.keys().next().value!)
  patterns.set(text, pattern)
  return pattern
}
