/** Timestamps as Go's `time.Parse` reads them, with its words where it cannot, and as the API writes them. */

export class TimeError extends Error {
  override readonly name = 'TimeError'
}

const TIME_LAYOUT = '2006-01-02T15:04:05Z07:00'
const MICRO_TIME_LAYOUT = '2006-01-02T15:04:05.000000Z07:00'

const WHOLE_SECONDS = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/
const MICROSECONDS = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/

/** What a layout element takes from the text; `fraction` is there in the layout of microTime only. */
const ELEMENTS = [
  { layout: '2006', take: /^\d{4}/ },
  { layout: '-', take: /^-/ },
  { layout: '01', take: /^\d\d/, name: 'month', min: 1, max: 12 },
  { layout: '-', take: /^-/ },
  { layout: '02', take: /^\d\d/, name: 'day', min: 1, max: 31 },
  { layout: 'T', take: /^T/ },
  { layout: '15', take: /^\d\d?/, name: 'hour', min: 0, max: 23 },
  { layout: ':', take: /^:/ },
  { layout: '04', take: /^\d\d/, name: 'minute', min: 0, max: 59 },
  { layout: ':', take: /^:/ },
  { layout: '05', take: /^\d\d/, name: 'second', min: 0, max: 59 },
  { layout: '.000000', take: /^\.\d{6}/ },
  { layout: 'Z07:00', take: /^(?:Z|[+-]\d\d:\d\d)/ },
] as const

const FRACTION = '.000000'

function parse(text: string, layout: string): { date: Date; micros: string } {
  const micro = layout === MICRO_TIME_LAYOUT
  const parts: string[] = []
  let rest = text
  let micros = ''
  for (const element of ELEMENTS) {
    if (element.layout === FRACTION && !micro) {
      const loose = /^[.,]\d+/.exec(rest)?.[0] ?? ''
      rest = rest.slice(loose.length)
      continue
    }
    const taken = element.take.exec(rest)?.[0]
    if (taken === undefined)
      throw new TimeError(
        `parsing time ${JSON.stringify(text)} as "${layout}": cannot parse ${JSON.stringify(rest)} as "${element.layout}"`,
      )
    if ('name' in element && (Number(taken) < element.min || Number(taken) > element.max))
      throw new TimeError(`parsing time ${JSON.stringify(text)}: ${element.name} out of range`)
    if (element.layout === FRACTION) micros = taken
    else parts.push(taken)
    rest = rest.slice(taken.length)
  }
  if (rest) throw new TimeError(`parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}`)
  const [year, , month, , day, , hour = '', ...tail] = parts
  const zone = tail.at(-1) ?? ''
  if (Number(zone.slice(1, 3)) > 24) throw new TimeError(`parsing time ${JSON.stringify(text)}: time zone offset hour out of range`)
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()
  if (Number(day) > lastDay) throw new TimeError(`parsing time ${JSON.stringify(text)}: day out of range`)
  const date = new Date([year, '-', month, '-', day, 'T', hour.padStart(2, '0'), ...tail].join(''))
  if (Number.isNaN(date.getTime())) throw new TimeError(`parsing time ${JSON.stringify(text)}: day out of range`)
  return { date, micros }
}

/** metav1.Time: UTC, whole seconds. Throws TimeError. */
export function canonicalTime(text: string): string {
  if (WHOLE_SECONDS.test(text)) return text
  return `${parse(text, TIME_LAYOUT).date.toISOString().slice(0, 19)}Z`
}

/** metav1.MicroTime: UTC, microseconds, which must be given. Throws TimeError. */
export function canonicalMicroTime(text: string): string {
  if (MICROSECONDS.test(text)) return text
  const { date, micros } = parse(text, MICRO_TIME_LAYOUT)
  return `${date.toISOString().slice(0, 19)}${micros}Z`
}

const DURATION_UNITS_NANOS: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}

/** Go holds a duration in an int64. */
const MAX_NANOS = 2n ** 63n - 1n

/** A Go duration (`1h30m`, `250ms`) in nanoseconds. Throws TimeError. */
export function parseDuration(text: string): bigint {
  const body = text.replace(/^[+-]/, '')
  if (body === '0') return 0n
  const isNegative = text.startsWith('-')
  const shown = JSON.stringify(text)
  let nanos = 0n
  let rest = body
  do {
    const part = /^(\d*)(?:\.(\d*))?([^.\d]*)/.exec(rest) as RegExpExecArray
    const [whole, number = '', fraction = '', name = ''] = part
    if (!number && !fraction) throw new TimeError(`time: invalid duration ${shown}`)
    if (!name) throw new TimeError(`time: missing unit in duration ${shown}`)
    const unit = Object.hasOwn(DURATION_UNITS_NANOS, name) ? DURATION_UNITS_NANOS[name] : undefined
    if (unit === undefined) throw new TimeError(`time: unknown unit ${JSON.stringify(name)} in duration ${shown}`)
    nanos += BigInt(number || 0) * unit + (BigInt(fraction || 0) * unit) / 10n ** BigInt(fraction.length)
    if (nanos > MAX_NANOS + (isNegative ? 1n : 0n)) throw new TimeError(`time: invalid duration ${shown}`)
    rest = rest.slice(whole.length)
  } while (rest)
  return isNegative ? -nanos : nanos
}

/** As Go prints a duration: `1h0m0s`, `1.5s`, `250ms`. */
export function formatDuration(nanos: bigint): string {
  if (nanos === 0n) return '0s'
  const magnitude = nanos < 0n ? -nanos : nanos
  const sign = nanos < 0n ? '-' : ''
  const decimal = (value: bigint, unit: bigint): string => {
    const fraction = (value % unit)
      .toString()
      .padStart(unit.toString().length - 1, '0')
      .replace(/0+$/, '')
    return `${value / unit}${fraction && `.${fraction}`}`
  }
  if (magnitude < 1_000n) return `${sign}${magnitude}ns`
  if (magnitude < 1_000_000n) return `${sign}${decimal(magnitude, 1_000n)}µs`
  if (magnitude < 1_000_000_000n) return `${sign}${decimal(magnitude, 1_000_000n)}ms`
  const minutes = magnitude / 60_000_000_000n
  const seconds = `${decimal(magnitude % 60_000_000_000n, 1_000_000_000n)}s`
  if (minutes === 0n) return sign + seconds
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`
}
