/** How cells are written: ages, durations, selectors, lists that end in "+ n more". Pure. */
import type { Container } from '../../api/kinds/core/v1.ts'
import type { LabelSelector } from '../../api/kinds/meta/v1.ts'
import type { KubeObject } from '../../api/resource.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_HOURS = 24
const YEAR_DAYS = 365

function two(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`
}

/** kubectl's durations (k8s.io/apimachinery/pkg/util/duration): two units while they matter, one later. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / SECOND_MS)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 2 * 60) return `${seconds}s`
  const minutes = Math.trunc(durationMs / MINUTE_MS)
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's')
  if (minutes < 3 * 60) return `${minutes}m`
  const hours = Math.trunc(durationMs / HOUR_MS)
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm')
  if (hours < 2 * DAY_HOURS) return `${hours}h`
  const days = Math.trunc(hours / DAY_HOURS)
  if (days < 8) return two(days, 'd', hours % DAY_HOURS, 'h')
  if (days < 2 * YEAR_DAYS) return `${days}d`
  const years = Math.trunc(days / YEAR_DAYS)
  return days < 8 * YEAR_DAYS ? two(years, 'y', days % YEAR_DAYS, 'd') : `${years}y`
}

export function since(timestamp: string | undefined, nowMs: number): string {
  return timestamp ? humanDuration(nowMs - Date.parse(timestamp)) : '<unknown>'
}

export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(labels ?? {})
  return entries.length === 0
    ? '<none>'
    : entries
        .map(([key, value]) => `${key}=${value}`)
        .sort()
        .join(',')
}

function formatRequirement(operator: string, key: string, values: readonly string[]): string {
  const list = values.toSorted().join(',')
  switch (operator) {
    case 'In':
      return `${key} in (${list})`
    case 'NotIn':
      return `${key} notin (${list})`
    case 'DoesNotExist':
      return `!${key}`
    default:
      return key
  }
}

/** '' for a selector that selects everything (or nothing). */
export function selectorText(selector: LabelSelector | undefined): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => ({ key, text: `${key}=${value}` }))
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values }) => ({
    key,
    text: formatRequirement(operator, key, values ?? []),
  }))
  const byKey = (a: { key: string }, b: { key: string }): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
  return [...labels, ...expressions]
    .sort(byKey)
    .map((r) => r.text)
    .join(',')
}

export function formatLabelSelector(selector: LabelSelector | undefined): string {
  return selectorText(selector) || '<none>'
}

export function containerNames(containers: readonly Container[] | undefined): string {
  return (containers ?? []).map(({ name }) => name).join(',')
}

export function containerImages(containers: readonly Container[] | undefined): string {
  return (containers ?? []).map(({ image = '' }) => image).join(',')
}

/** As Go prints a selector whose fields it was told to show. */
export function goSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`)
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  )
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`
}

/** The name of a class, and whether annotations make it the default. */
export function markDefault({ metadata }: KubeObject, ...annotations: string[]): string {
  const isDefault = annotations.some((annotation) => metadata.annotations?.[annotation] === 'true')
  return isDefault ? `${metadata.name} (default)` : (metadata.name ?? '')
}

/** The first `max` of them, and how many there are beside. */
export function withMore(values: readonly string[], max: number, empty = '<unset>'): string {
  const shown = values.slice(0, max).join(',')
  if (values.length > max) return `${shown} + ${values.length - max} more...`
  return shown || empty
}

export function printBool(value: boolean | undefined): string {
  return value === undefined ? '<unset>' : value ? 'True' : 'False'
}
