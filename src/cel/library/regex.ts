/** What a pattern finds in a text. */
import { ArrayList, Fault } from '../values.ts'
import { member } from '../overloads.ts'
import { patternError, patternOf } from './re2.ts'
import type { Overload } from '../overloads.ts'
import type { Value } from '../values.ts'

function findUpTo(text: string, pattern: string, limit: number): string[] {
  const error = patternError(pattern)
  if (error !== undefined) throw new Fault(`Illegal regex: ${error}`)
  const matcher = patternOf(pattern).matcher(text)
  const found: string[] = []
  const most = limit < 0 ? Infinity : limit
  while (found.length < most && matcher.find()) found.push(matcher.group() ?? '')
  return found
}

const listOf = (items: Value[]): Value => new ArrayList(items)

export const REGEX: readonly Overload[] = [
  member('string_find_string', 'find', 'string, string', 'string', (text: string, pattern: string) => findUpTo(text, pattern, 1)[0] ?? ''),
  member('string_find_all_string', 'findAll', 'string, string', 'list(string)', (text: string, pattern: string) =>
    listOf(findUpTo(text, pattern, -1)),
  ),
  member('string_find_all_string_int', 'findAll', 'string, string, int', 'list(string)', (text: string, pattern: string, limit: bigint) =>
    listOf(findUpTo(text, pattern, Number(limit))),
  ),
]
