/** Which files of a build context `.dockerignore` leaves out: Docker's rules, the last pattern that matches decides. Pure. */
import { matchesGlob } from 'node:path'

export interface Dockerignore {
  /** For a path relative to the context, with `/`. */
  ignores(path: string): boolean
  /** With `!` patterns, a folder that is left out may hold files that are not. */
  hasExceptions: boolean
}

export function parseDockerignore(text: string): Dockerignore {
  const rules = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const keep = line.startsWith('!')
      const pattern = (keep ? line.slice(1) : line)
        .trim()
        .replace(/^\.?\/+/, '')
        .replace(/\/+$/, '')
      return { keep, pattern }
    })
    .filter(({ pattern }) => pattern !== '' && pattern !== '.')
  return {
    hasExceptions: rules.some(({ keep }) => keep),
    ignores(path) {
      let ignored = false
      for (const { keep, pattern } of rules) {
        if (ignored === keep && matches(path, pattern)) ignored = !keep
      }
      return ignored
    },
  }
}

/** A pattern that matches a folder covers all that is below it. */
function matches(path: string, pattern: string): boolean {
  const parts = path.split('/')
  return parts.some((_, index) => matchesGlob(parts.slice(0, index + 1).join('/'), pattern))
}
