/** What an option of a component may be set to: kinds of values, how they are written, and what is wanted of a wrong one. */
import { QuantityError, quantityValue } from './quantity.ts'
import { parseDuration, TimeError } from './codec/goTime.ts'

export type Kind =
  | 'duration'
  | 'count'
  | 'positive'
  | 'number'
  | 'percent'
  | 'boolean'
  | 'bytes'
  | 'text'
  | 'list'
  | 'labels'
  | 'ports'
  | 'reserved'
  | 'thresholds'
  | 'reclaims'
  | 'signalDurations'
  | 'periods'

/** Of an eviction signal: so much of it, or that share of the capacity. */
type ThresholdValue = { amount: number } | { share: number }

/** What pods of this priority and more get at a shutdown. */
export interface PriorityPeriod {
  priority: number
  seconds: number
}

/** Durations are in milliseconds. */
export interface Values {
  duration: number
  count: number
  positive: number
  number: number
  percent: number
  boolean: boolean
  bytes: number
  text: string
  list: readonly string[]
  labels: Readonly<Record<string, string>>
  ports: { first: number; last: number }
  reserved: Readonly<Record<string, string>>
  thresholds: Readonly<Record<string, ThresholdValue>>
  reclaims: Readonly<Record<string, ThresholdValue>>
  signalDurations: Readonly<Record<string, number>>
  periods: readonly PriorityPeriod[]
}

function parseLabels(text: string): Record<string, string> | undefined {
  const pairs = text.split(',').map((pair) => pair.split('='))
  return pairs.every((pair) => pair.length === 2 && pair[0]) ? (Object.fromEntries(pairs) as Record<string, string>) : undefined
}

function parsePorts(text: string): { first: number; last: number } | undefined {
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []
  const range = { first: Number(first), last: Number(last) }
  return range.first > 0 && range.first <= range.last && range.last <= 65_535 ? range : undefined
}

const RESERVABLE: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage', 'pid'])

/** A quantity that is not negative. */
function parseAmount(text: string): number | undefined {
  try {
    const amount = quantityValue(text)
    return amount >= 0 ? amount : undefined
  } catch (error) {
    if (error instanceof QuantityError) return undefined
    throw error
  }
}

function parseReserved(text: string): Record<string, string> | undefined {
  const pairs = text.split(',').map((pair) => pair.trim().split('='))
  const fits = pairs.every(
    ([name = '', amount = '', ...more]) => RESERVABLE.has(name) && parseAmount(amount) !== undefined && more.length === 0,
  )
  return fits ? (Object.fromEntries(pairs) as Record<string, string>) : undefined
}

const SIGNALS: ReadonlySet<string> = new Set([
  'memory.available',
  ...['nodefs', 'imagefs', 'containerfs'].flatMap((disk) => [`${disk}.available`, `${disk}.inodesFree`]),
  'pid.available',
])

function parseThreshold(text: string): ThresholdValue | undefined {
  const [, percent] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? []
  if (percent !== undefined) return Number(percent) <= 100 ? { share: Number(percent) / 100 } : undefined
  const amount = parseAmount(text)
  return amount === undefined ? undefined : { amount }
}

/** `signal<value` or `signal=value`, each; undefined where one is not so. */
function parseSignals<T>(text: string, separator: '<' | '=', parse: (value: string) => T | undefined): Record<string, T> | undefined {
  const entries: [string, T][] = []
  for (const part of text.split(',')) {
    const [signal = '', value = ''] = part.trim().split(separator)
    const parsed = parse(value)
    if (!SIGNALS.has(signal) || parsed === undefined) return undefined
    entries.push([signal, parsed])
  }
  return Object.fromEntries(entries)
}

function parseMilliseconds(text: string): number | undefined {
  try {
    const ms = Number(parseDuration(text)) / 1e6
    return ms >= 0 ? ms : undefined
  } catch (error) {
    if (error instanceof TimeError) return undefined
    throw error
  }
}

/** `priority=seconds`, each. */
function parsePeriods(text: string): PriorityPeriod[] | undefined {
  const periods = text.split(',').map((pair) => {
    const [, priority, seconds] = /^\s*(-?\d{1,10})=(\d{1,6})\s*$/.exec(pair) ?? []
    return { priority: Number(priority), seconds: Number(seconds) }
  })
  return periods.every(({ seconds }) => Number.isInteger(seconds)) ? periods : undefined
}

export const WANTED: Readonly<Record<Kind, string>> = {
  duration: 'a duration such as 30s or 1m30s',
  count: 'a whole number, 0 at the least',
  positive: 'a whole number above 0',
  number: 'a number',
  percent: 'a whole number from 0 to 100',
  boolean: 'true or false',
  bytes: 'a size such as 10Mi',
  text: 'some text',
  list: 'names, separated by commas',
  labels: 'labels such as key=value,other=value',
  ports: 'ports such as 30000-32767',
  reserved: 'amounts of cpu, memory, ephemeral-storage or pid such as cpu=200m,memory=500Mi',
  thresholds:
    'thresholds of memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree or pid.available such as memory.available<100Mi,nodefs.available<10%',
  reclaims: 'amounts of eviction signals such as memory.available=200Mi,nodefs.available=5%',
  periods: 'priorities of pods with the seconds that they get, such as 0=20,2000000000=10',
  signalDurations: 'durations of eviction signals such as memory.available=1m30s,nodefs.available=2m',
}

/** Undefined where the text is not of the kind. */
export function parseValue(kind: Kind, text: string): Values[Kind] | undefined {
  const number = text.trim() === '' ? NaN : Number(text)
  switch (kind) {
    case 'duration':
      return parseMilliseconds(text)
    case 'count':
      return Number.isSafeInteger(number) && number >= 0 ? number : undefined
    case 'positive':
      return Number.isSafeInteger(number) && number > 0 ? number : undefined
    case 'number':
      return Number.isFinite(number) && number >= 0 ? number : undefined
    case 'percent':
      return Number.isSafeInteger(number) && number >= 0 && number <= 100 ? number : undefined
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'bytes':
      return parseAmount(text) || undefined
    case 'text':
      return text === '' ? undefined : text
    case 'list': {
      const names = text.split(',').map((name) => name.trim())
      return names.every(Boolean) ? names : undefined
    }
    case 'labels':
      return parseLabels(text)
    case 'ports':
      return parsePorts(text)
    case 'reserved':
      return parseReserved(text)
    case 'thresholds':
      return parseSignals(text, '<', parseThreshold)
    case 'reclaims':
      return parseSignals(text, '=', parseThreshold)
    case 'signalDurations':
      return parseSignals(text, '=', parseMilliseconds)
    case 'periods':
      return parsePeriods(text)
  }
}
