/** Hashes of pod templates, as they appear in names and in the pod-template-hash label. */

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193
/** Without vowels and look-alikes, so that no words come out. */
const SAFE_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'

export function fnv32a(text: string): number {
  let hash = FNV_OFFSET
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0
  return hash
}

/** JSON with sorted keys and without empty values: equal for what Kubernetes takes for equal. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(canonical(value)) ?? 'null'
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => canonical(item) ?? null)
  if (value === null || typeof value !== 'object') return value ?? undefined
  const entries = Object.entries(value)
    .map(([key, item]) => [key, canonical(item)] as const)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/** Nothing at all in what `canonicalJson` writes. */
function isBlank(value: unknown): boolean {
  if (value === null || value === undefined) return true
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) return value.length === 0
  for (const key in value) if (!isBlank((value as Record<string, unknown>)[key])) return false
  return true
}

function equalMembers(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  for (const key in a) if (!semanticallyEqual(a[key], b[key])) return false
  for (const key in b) if (a[key] === undefined && !isBlank(b[key])) return false
  return true
}

/** Whether two parts of objects mean the same, as their `canonicalJson` would: absent, null and empty are one. */
export function semanticallyEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return isBlank(a) && isBlank(b)
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b)) return isBlank(a) && isBlank(b)
    return a.length === b.length && a.every((item, i) => semanticallyEqual(item, b[i]))
  }
  return equalMembers(a as Record<string, unknown>, b as Record<string, unknown>)
}

export function safeHash(value: unknown, collisionCount?: number): string {
  const text = canonicalJson(value) + (collisionCount === undefined ? '' : `#${collisionCount}`)
  return [...String(fnv32a(text))].map((digit) => SAFE_ALPHABET[digit.charCodeAt(0) % SAFE_ALPHABET.length]).join('')
}
