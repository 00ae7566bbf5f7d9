/** Timestamps and durations as text and by the calendar. */
import { Duration, Fault } from '../values.ts'
import { timestamp } from './arithmetic.ts'
import { member } from '../overloads.ts'
import type { Overload } from '../overloads.ts'
import type { Timestamp } from '../values.ts'

const SECOND = 1_000_000_000n
const MILLI = 1_000_000n

const floorDiv = (a: bigint, b: bigint): bigint => (a % b < 0n ? a / b - 1n : a / b)

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

/** undefined for what is no such time. @throws Fault beyond the years 1 to 9999 */
export function parseTimestamp(text: string): Timestamp | undefined {
  const found = RFC3339.exec(text)
  if (!found) return undefined
  const [, year, month, day, hours, minutes, seconds, fraction = '', sign, zoneHours, zoneMinutes] = found
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined
  if (Number(zoneHours ?? 0) > 24 || Number(zoneMinutes ?? 0) > 60) return undefined
  date.setUTCHours(Number(hours), Number(minutes), Number(seconds))
  const offsetMinutes = sign ? (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -1 : 1) : 0
  const nanos = BigInt(date.getTime() - offsetMinutes * 60_000) * MILLI
  return timestamp(nanos + BigInt(fraction.slice(0, 9).padEnd(9, '0')), offsetMinutes)
}

/** In the zone that it was written in. */
export function formatTimestamp({ nanos, offsetMinutes }: Timestamp): string {
  const seconds = floorDiv(nanos, SECOND)
  const fraction = String(nanos - seconds * SECOND)
    .padStart(9, '0')
    .replace(/0+$/, '')
  const whole = new Date(Number(seconds) * 1000 + offsetMinutes * 60_000).toISOString().slice(0, 19)
  return `${whole}${fraction && `.${fraction}`}${zoneText(offsetMinutes)}`
}

function zoneText(offsetMinutes: number): string {
  if (offsetMinutes === 0) return 'Z'
  const minutes = Math.abs(offsetMinutes)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: MILLI,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
}
const DURATION = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/

/** Go's notation of a duration; undefined for what is none. */
export function parseDuration(text: string): Duration | undefined {
  if (/^[+-]?0$/.test(text)) return new Duration(0n)
  if (!DURATION.test(text)) return undefined
  let nanos = 0n
  for (const [, whole = '', fraction = '', unit] of text.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const scale = UNITS[unit!]!
    nanos += BigInt(whole || 0) * scale
    if (fraction) nanos += (BigInt(fraction.slice(0, 18)) * scale) / 10n ** BigInt(Math.min(fraction.length, 18))
  }
  const value = text.startsWith('-') ? -nanos : nanos
  return value < -(2n ** 63n) || value > 2n ** 63n - 1n ? undefined : new Duration(value)
}

/** In seconds, as CEL writes durations. */
export function formatDuration({ nanos }: Duration): string {
  const magnitude = nanos < 0n ? -nanos : nanos
  const fraction = String(magnitude % SECOND)
    .padStart(9, '0')
    .replace(/0+$/, '')
  return `${nanos < 0n ? '-' : ''}${magnitude / SECOND}${fraction && `.${fraction}`}s`
}

interface Calendar {
  year: number
  month: number
  day: number
  weekday: number
  dayOfYear: number
  hours: number
  minutes: number
  seconds: number
}

const zones = new Map<string, Intl.DateTimeFormat>()
const ZONES_LIMIT = 64

/** How many minutes the zone is ahead of UTC at the time. */
function offsetMinutesOf(zone: string, millis: number): number {
  const fixed = /^([+-]?)(\d+):(\d+)$/.exec(zone)
  if (fixed) return (Number(fixed[2]) * 60 + Number(fixed[3])) * (fixed[1] === '-' ? -1 : 1)
  if (zone === '' || zone === 'UTC') return 0
  let format = zones.get(zone)
  if (!format) {
    try {
      format = new Intl.DateTimeFormat('en-US', {
        timeZone: zone,
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      })
    } catch {
      throw new Fault(`unknown time zone ${zone}`)
    }
    if (zones.size >= ZONES_LIMIT) zones.clear()
    zones.set(zone, format)
  }
  const parts = Object.fromEntries(format.formatToParts(millis).map(({ type, value }) => [type, Number(value)]))
  const local = Date.UTC(parts['year']!, parts['month']! - 1, parts['day'], parts['hour'], parts['minute'], parts['second'])
  return Math.round((local - Math.floor(millis / 1000) * 1000) / 60_000)
}

function calendarOf({ nanos }: Timestamp, zone = ''): Calendar {
  const millis = Number(floorDiv(nanos, MILLI))
  const date = new Date(millis + offsetMinutesOf(zone, millis) * 60_000)
  const year = date.getUTCFullYear()
  const start = new Date(0)
  start.setUTCFullYear(year, 0, 1)
  return {
    year,
    month: date.getUTCMonth(),
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    dayOfYear: Math.floor((date.getTime() - start.getTime()) / 86_400_000),
    hours: date.getUTCHours(),
    minutes: date.getUTCMinutes(),
    seconds: date.getUTCSeconds(),
  }
}

const part = (name: string, id: string, read: (calendar: Calendar) => number, idWithZone = `${id}_with_tz`): Overload[] => [
  member(id, name, 'timestamp', 'int', (time: Timestamp) => BigInt(read(calendarOf(time)))),
  member(idWithZone, name, 'timestamp, string', 'int', (time: Timestamp, zone: string) => BigInt(read(calendarOf(time, zone)))),
]

const millisOf = ({ nanos }: Timestamp): bigint => (nanos - floorDiv(nanos, SECOND) * SECOND) / MILLI

export const TIME: readonly Overload[] = [
  ...part('getFullYear', 'timestamp_to_year', ({ year }) => year),
  ...part('getMonth', 'timestamp_to_month', ({ month }) => month),
  ...part('getDayOfYear', 'timestamp_to_day_of_year', ({ dayOfYear }) => dayOfYear),
  ...part('getDayOfMonth', 'timestamp_to_day_of_month', ({ day }) => day - 1),
  ...part('getDate', 'timestamp_to_day_of_month_1_based', ({ day }) => day),
  ...part('getDayOfWeek', 'timestamp_to_day_of_week', ({ weekday }) => weekday),
  ...part('getHours', 'timestamp_to_hours', ({ hours }) => hours),
  member('duration_to_hours', 'getHours', 'duration', 'int', ({ nanos }: Duration) => nanos / (3600n * SECOND)),
  ...part('getMinutes', 'timestamp_to_minutes', ({ minutes }) => minutes),
  member('duration_to_minutes', 'getMinutes', 'duration', 'int', ({ nanos }: Duration) => nanos / (60n * SECOND)),
  ...part('getSeconds', 'timestamp_to_seconds', ({ seconds }) => seconds, 'timestamp_to_seconds_tz'),
  member('duration_to_seconds', 'getSeconds', 'duration', 'int', ({ nanos }: Duration) => nanos / SECOND),
  member('timestamp_to_milliseconds', 'getMilliseconds', 'timestamp', 'int', millisOf),
  member('timestamp_to_milliseconds_with_tz', 'getMilliseconds', 'timestamp, string', 'int', (time: Timestamp, zone: string) => {
    calendarOf(time, zone)
    return millisOf(time)
  }),
  member('duration_to_milliseconds', 'getMilliseconds', 'duration', 'int', ({ nanos }: Duration) => nanos / MILLI),
]
