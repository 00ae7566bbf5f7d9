/** Cron schedules, refused in the words of the library that upstream uses (robfig/cron). */
import { quote } from '../quote.ts'

interface Bounds {
  min: number
  max: number
  names?: readonly string[]
}

const FIELDS: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
]
const DESCRIPTORS = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'])

class ScheduleError extends Error {}

function parseNumber(text: string, bounds: Bounds): number {
  const named = bounds.names?.indexOf(text.toLowerCase()) ?? -1
  if (named >= 0) return bounds.min + named
  if (/^\d+$/.test(text)) return Number(text)
  if (/^-\d+$/.test(text)) throw new ScheduleError(`negative number (${text}) not allowed: ${text}`)
  throw new ScheduleError(`failed to parse int from ${text}: strconv.Atoi: parsing ${quote(text)}: invalid syntax`)
}

function checkRange(expression: string, bounds: Bounds): void {
  const parts = expression.split('/')
  const range = (parts[0] ?? '').split('-')
  let start: number
  let end: number
  if (range[0] === '*' || range[0] === '?') {
    start = bounds.min
    end = bounds.max
  } else {
    start = parseNumber(range[0] ?? '', bounds)
    if (range.length > 2) throw new ScheduleError(`too many hyphens: ${expression}`)
    end = range.length === 2 ? parseNumber(range[1] as string, bounds) : start
  }
  if (parts.length > 2) throw new ScheduleError(`too many slashes: ${expression}`)
  let step = 1
  if (parts.length === 2) {
    step = parseNumber(parts[1] as string, { min: 0, max: 0 })
    if (range.length === 1 && range[0] !== '*' && range[0] !== '?') end = bounds.max
  }
  if (start < bounds.min) throw new ScheduleError(`beginning of range (${start}) below minimum (${bounds.min}): ${expression}`)
  if (end > bounds.max) throw new ScheduleError(`end of range (${end}) above maximum (${bounds.max}): ${expression}`)
  if (start > end) throw new ScheduleError(`beginning of range (${start}) beyond end of range (${end}): ${expression}`)
  if (step === 0) throw new ScheduleError(`step of range should be a positive number: ${expression}`)
}

/** What is wrong with a schedule. */
export function validateSchedule(schedule: string): string[] {
  if (schedule.includes('TZ')) return ['cannot use TZ or CRON_TZ in schedule, use timeZone field instead']
  if (schedule.startsWith('@')) {
    if (DESCRIPTORS.has(schedule)) return []
    if (!schedule.startsWith('@every ')) return [`unrecognized descriptor: ${schedule}`]
    return /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(schedule.slice(7))
      ? []
      : [`failed to parse duration ${schedule}: time: invalid duration ${quote(schedule.slice(7))}`]
  }
  const fields = schedule.split(/\s+/).filter(Boolean)
  if (fields.length !== FIELDS.length) return [`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`]
  try {
    for (const [i, field] of fields.entries()) for (const part of field.split(',')) checkRange(part, FIELDS[i] as Bounds)
    return []
  } catch (error) {
    if (error instanceof ScheduleError) return [error.message]
    throw error
  }
}
