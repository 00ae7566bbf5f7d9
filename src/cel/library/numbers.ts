/** Numbers as Go writes them. */

/** `%g`: the shortest digits that give the number back, with an exponent below 1e-4 and from 1e6 on. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const magnitude = Math.abs(value)
  if (magnitude >= 1e-4 && magnitude < 1e6) return String(value)
  return withExponent(value.toExponential())
}

/** Go writes at least two digits of the exponent. */
const withExponent = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2')
