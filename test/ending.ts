/**
 * What a test or bench has running outside its own process goes with it, however it ends: a signal, an error that nobody
 * catches. Only SIGKILL leaves something, which the next run finds (`e2e/leftovers.ts`).
 */
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const
const pending = new Set<() => void>()

/** `clean` cannot wait for anything but what it runs synchronously. The answer forgets it: what it is for went in order. */
export function atEnd(clean: () => void): () => void {
  if (pending.size === 0) listen()
  pending.add(clean)
  return () => {
    if (pending.delete(clean) && pending.size === 0) unlisten()
  }
}

function listen(): void {
  process.on('exit', cleanAll)
  for (const signal of Object.keys(SIGNALS)) process.on(signal, exitOn)
}

function unlisten(): void {
  process.off('exit', cleanAll)
  for (const signal of Object.keys(SIGNALS)) process.off(signal, exitOn)
}

function exitOn(signal: keyof typeof SIGNALS): void {
  process.exit(128 + SIGNALS[signal])
}

/** The newest first. */
function cleanAll(): void {
  for (const clean of [...pending].toReversed()) {
    try {
      clean()
    } catch (error) {
      console.error(error)
    }
  }
}
