/** Cron schedules as Kubernetes reads them, on croner: five fields, `@daily` and its like, `@every 1h30m`, a time zone. */
import { Cron } from 'croner'

export class ScheduleError extends Error {
  override readonly name = 'ScheduleError'
}

export interface Schedule {
  /** The first time after this one; undefined when there is none. */
  next(afterMs: number): number | undefined
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

function every(text: string): Schedule {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) throw new ScheduleError(`failed to parse duration ${text}`)
  const totalMs = parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNIT_MS[unit as string] as number), 0)
  const periodMs = Math.max(1_000, Math.floor(totalMs / 1_000) * 1_000)
  return { next: (afterMs) => Math.floor(afterMs / 1_000) * 1_000 + periodMs }
}

/** `5/15` means from 5 on; croner wants the end said. */
function withRangeEnd(field: string, max: number): string {
  return field
    .split(',')
    .map((part) => part.replace(/^(\d+)\/(\d+)$/, `$1-${max}/$2`))
    .join(',')
}

const FIELD_MAX = [59, 23, 31, 12, 6]

export function parseSchedule(text: string, timeZone?: string): Schedule {
  const zoned = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(text)
  if (zoned) return parseSchedule(zoned[2] as string, zoned[1])
  if (text.startsWith('@every ')) return every(text.slice('@every '.length).trim())
  const fields = text.trim().split(/\s+/)
  const pattern = text.startsWith('@')
    ? text
    : fields.map((field, n) => withRangeEnd(field.replaceAll('?', '*'), FIELD_MAX[n] ?? 0)).join(' ')
  let cron: Cron
  try {
    cron = new Cron(pattern, { mode: '5-part', legacyMode: true, paused: true, timezone: timeZone ?? 'UTC' })
    // A wrong time zone shows only once it is used.
    cron.nextRun(new Date(0))
  } catch (cause) {
    throw new ScheduleError(`invalid schedule: ${text}${timeZone ? ` (time zone ${timeZone})` : ''}`, { cause })
  }
  return { next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() }
}
