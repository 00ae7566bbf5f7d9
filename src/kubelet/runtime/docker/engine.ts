/** The connection to the engine, and what its errors mean. */
import type Docker from 'dockerode'

export type Engine = () => Promise<Docker>

/** The package is loaded on first use: it brings much that a start should not wait for. */
export function createEngine(socketPath: string): Engine {
  let engine: Promise<Docker> | undefined
  return () => (engine ??= import('dockerode').then(({ default: Client }) => new Client({ socketPath })))
}

export function statusCodeOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined
}

export const isNoSuch = (error: unknown): boolean => statusCodeOf(error) === 404
/** The name is taken, or the thing is in a state (being removed, in use) that forbids it. */
export const isConflicting = (error: unknown): boolean => statusCodeOf(error) === 409
/** It was stopped or started already. */
export const isNotModified = (error: unknown): boolean => statusCodeOf(error) === 304

/** The engine's own words, without the client's wrapping. */
export function engineMessage(error: unknown): string {
  if (error instanceof Error && 'json' in error) {
    const said = error.json as { message?: string } | undefined
    if (said?.message) return said.message
  }
  // Where the answer was to be a stream, the client has put its status before what the engine said.
  return error instanceof Error ? error.message.replace(/^\(HTTP code \d+\) [a-z ]+ - /, '').trim() : String(error)
}

/** Undefined where the thing is gone. */
export async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (isNoSuch(error)) return undefined
    throw error
  }
}

/** Milliseconds since the epoch; undefined for the engine's zero time. */
export function engineTimeMs(text: string | undefined): number | undefined {
  if (!text || text.startsWith('0001-')) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}
