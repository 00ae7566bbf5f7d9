/** Property names as expressions write them: what is no identifier, or is a word of the language, is escaped. */
import type { CelType } from './program.ts'

const WORDS = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
)
const PARTS: Readonly<Record<string, string>> = { __: '__underscores__', '.': '__dot__', '-': '__dash__', '/': '__slash__' }

/** The name by which expressions reach a field of the type. */
export const fieldNameOf = (type: Extract<CelType, { kind: 'object' }>, property: string): string | undefined =>
  type.hasPlainNames ? property : escapeField(property)

/** undefined for a name that no expression can write. */
export function escapeField(name: string): string | undefined {
  if (WORDS.has(name)) return `__${name}__`
  if (!/^[A-Za-z_.\-/][\w.\-/]*$/.test(name)) return undefined
  return name.replace(/__|[.\-/]/g, (part) => PARTS[part]!)
}
