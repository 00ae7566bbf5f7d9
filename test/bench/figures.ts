/** How measurements are told: the median and the ninth tenth, and how they compare with a reference of the same run. */

export interface Figures {
  p50: number
  p90: number
}

export function figures(values: readonly number[]): Figures {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number
  return { p50: at(0.5), p90: at(0.9) }
}

/** A line of `what`, with the ratio to what the bare engine needs for the same. */
export function report(what: string, { p50, p90 }: Figures, bare?: Figures): void {
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`
  const ratio = bare ? `${(p50 / bare.p50).toFixed(2)} × bare` : ''
  console.log(`${what.padEnd(52)} p50 ${ms(p50).padStart(8)}   p90 ${ms(p90).padStart(8)}   ${ratio}`)
}

/** A line about something that happens once. */
export function reportOnce(what: string, tookMs: number, bareMs?: number): void {
  const ratio = bareMs === undefined ? '' : `${(tookMs / bareMs).toFixed(2)} × bare`
  console.log(`${what.padEnd(52)} all ${`${(tookMs / 1000).toFixed(2)} s`.padStart(8)}   ${''.padEnd(12)}   ${ratio}`)
}
