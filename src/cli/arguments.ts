/** What the values of flags mean. */
import { InvalidArgumentError } from 'commander'

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

export const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value]

export function positiveNumber(text: string): number {
  const value = Number(text)
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('It must be a number above 0.')
  return value
}

/** As Go writes durations: `90s`, `1m30s`, `1.5h`. A number alone is in seconds. */
export function durationMs(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  const sumMs = /^\d+(\.\d+)?$/.test(text)
    ? Number(text) * 1_000
    : parts.reduce((sum, [, n, unit]) => sum + Number(n) * (UNITS_MS[unit ?? ''] ?? 0), 0)
  const whole = parts.map(([part]) => part).join('') === text || parts.length === 0
  if (!whole || !(sumMs > 0)) throw new InvalidArgumentError('It must be a duration such as 90s or 5m.')
  return sumMs
}
