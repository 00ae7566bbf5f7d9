/** Text that others wrote, made safe for a terminal: what would move its cursor, set its title or type into it is shown instead of done. */

const ESCAPE = String.fromCharCode(0x1b)
/** Of no harm, and of no use once the rest is shown. */
const COLOURS = new RegExp(`${ESCAPE}\\[[\\d;]*m`, 'g')
/** All control characters, C1's included, but newline and tab. */
const CONTROLS = /[^\P{Cc}\n\t]/gu
/** Turn the direction of what follows: a name reads as another. */
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/gu

function shown(character: string): string {
  const code = character.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

export function printable(text: string): string {
  return text.replace(COLOURS, '').replaceAll('\r\n', '\n').replace(CONTROLS, shown).replace(DIRECTIONS, shown)
}
