/**
 * What a disk may hold after a power loss, from what strace has seen a program do with its files: everything that was fsynced,
 * and of what was written since then any part, in any order, sectors torn.
 */
import { basename } from 'node:path'

const SECTOR_BYTES = 512

interface Write {
  bytes: Buffer
  offset: number
}

type Change = Write | { truncatedTo: number }

type Step =
  | { type: 'change'; file: string; change: Change }
  | { type: 'sync'; file: string }
  | { type: 'create' | 'unlink'; file: string }
  /** A line that the program has printed. */
  | { type: 'print'; text: string }

export interface PowerLoss {
  /** By file name. */
  files: ReadonlyMap<string, Buffer>
  /** What the program had printed by then. */
  printed: string
}

/** For `strace -xx -s 1000000 -e trace=…` with these. */
export const TRACED = 'openat,pwrite64,fsync,fdatasync,ftruncate,unlink,write'

const unhex = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex')

export function readTrace(trace: string): Step[] {
  const names = new Map<string, string>()
  return trace.split('\n').flatMap((line): Step[] => {
    const [, call, args = ''] = /^(?:\d+ +)?(\w+)\((.*)\) += \d+$/.exec(line) ?? []
    const texts = [...args.matchAll(/"([^"]*)"/g)].map(([, text = '']) => unhex(text))
    const [descriptor = ''] = /^\d+/.exec(args) ?? []
    const file = names.get(descriptor) ?? ''
    const last = Number(/(\d+)$/.exec(args)?.[1])
    switch (call) {
      case 'openat': {
        const opened = basename(String(texts[0]))
        names.set(/= (\d+)$/.exec(line)?.[1] ?? '', opened)
        return args.includes('O_CREAT') ? [{ type: 'create', file: opened }] : []
      }
      case 'pwrite64':
        return [{ type: 'change', file, change: { bytes: texts[0] ?? Buffer.alloc(0), offset: last } }]
      case 'ftruncate':
        return [{ type: 'change', file, change: { truncatedTo: last } }]
      case 'fsync':
      case 'fdatasync':
        return [{ type: 'sync', file }]
      case 'unlink':
        return [{ type: 'unlink', file: basename(String(texts[0])) }]
      case 'write':
        return [{ type: 'print', text: String(texts[0]) }]
      default:
        return []
    }
  })
}

class DiskFile {
  content = Buffer.alloc(0)
  sizeBytes = 0
  unsynced: Change[] = []
  isLinked = true

  apply(change: Change): void {
    if ('truncatedTo' in change) return this.#resize(change.truncatedTo)
    const { bytes, offset } = change
    if (offset + bytes.length > this.sizeBytes) this.#resize(offset + bytes.length)
    bytes.copy(this.content, offset)
  }

  #resize(sizeBytes: number): void {
    if (sizeBytes > this.content.length) this.content = Buffer.concat([this.content, Buffer.alloc(sizeBytes * 2 - this.content.length)])
    if (sizeBytes < this.sizeBytes) this.content.fill(0, sizeBytes, this.sizeBytes)
    this.sizeBytes = sizeBytes
  }

  sync(): void {
    for (const change of this.unsynced) this.apply(change)
    this.unsynced = []
  }
}

/** A part of the sectors. */
function torn(change: Change, chance: (share: number) => boolean): Change[] {
  if ('truncatedTo' in change) return chance(0.5) ? [change] : []
  const sectors = Array.from({ length: Math.ceil(change.bytes.length / SECTOR_BYTES) }, (_, i) => i * SECTOR_BYTES)
  return sectors
    .filter(() => chance(0.5))
    .map((at) => ({ bytes: change.bytes.subarray(at, at + SECTOR_BYTES), offset: change.offset + at }))
}

/** Names are gone for good once their folder is on the disk. */
function forgetUnlinked(files: Map<string, DiskFile>): void {
  for (const [name, { isLinked }] of files) if (!isLinked) files.delete(name)
}

/** Of a power that fails after the first `count` steps. `random` is below 1; `folder` the name under which the folder was opened. */
export function losePower(steps: readonly Step[], count: number, folder: string, random: () => number): PowerLoss {
  const files = new Map<string, DiskFile>()
  const chance = (share: number): boolean => random() < share
  let printed = ''
  for (const step of steps.slice(0, count)) {
    if (step.type === 'print') printed += step.text
    else if (step.type === 'sync' && step.file === folder) forgetUnlinked(files)
    else if (step.type === 'create') files.set(step.file, Object.assign(files.get(step.file) ?? new DiskFile(), { isLinked: true }))
    else if (step.type === 'sync') files.get(step.file)?.sync()
    else if (step.type === 'change') files.get(step.file)?.unsynced.push(step.change)
    else if (files.has(step.file)) (files.get(step.file) as DiskFile).isLinked = false
  }
  const written = random()
  const left = new Map<string, Buffer>()
  for (const [name, file] of files) {
    if (!file.isLinked && chance(0.5)) continue
    for (const change of file.unsynced)
      for (const part of chance(written) ? [change] : chance(0.5) ? torn(change, chance) : []) file.apply(part)
    left.set(name, file.content.subarray(0, file.sizeBytes))
  }
  return { files: left, printed }
}
