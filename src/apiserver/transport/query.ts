/** A query as Go's net/url reads it: what is not well-formed is left out, and no error. */

/** Whether each `%` begins an escape. */
export function isWellEscaped(text: string): boolean {
  return !text.includes('%') || !/%(?![0-9a-f]{2})/i.test(text)
}

export function parseQuery(text: string): URLSearchParams {
  if (!text.includes(';') && isWellEscaped(text)) return new URLSearchParams(text)
  return new URLSearchParams(
    text
      .split('&')
      .filter((pair) => !pair.includes(';') && isWellEscaped(pair))
      .join('&'),
  )
}
