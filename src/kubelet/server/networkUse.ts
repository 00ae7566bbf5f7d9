/** What went over a link, from the kernel's counters. */
import { readFile } from 'node:fs/promises'
import type { NetworkUse } from './usage.ts'

/** Undefined where there is no such link. `mirrored`: the link's other end is meant, which receives what this one sends. */
export async function linkUse(link: string, { mirrored = false } = {}): Promise<NetworkUse | undefined> {
  const counter = async (name: string): Promise<number> => Number(await readFile(`/sys/class/net/${link}/statistics/${name}`, 'utf8'))
  const direction = async (of: 'rx' | 'tx') => {
    const [bytes, packets, errors, dropped] = await Promise.all([
      counter(`${of}_bytes`),
      counter(`${of}_packets`),
      counter(`${of}_errors`),
      counter(`${of}_dropped`),
    ])
    return { bytes, packets, errors, dropped }
  }
  try {
    const [rx, tx] = await Promise.all(mirrored ? [direction('tx'), direction('rx')] : [direction('rx'), direction('tx')])
    return {
      rxBytes: rx.bytes,
      rxPackets: rx.packets,
      rxErrors: rx.errors,
      rxDropped: rx.dropped,
      txBytes: tx.bytes,
      txPackets: tx.packets,
      txErrors: tx.errors,
      txDropped: tx.dropped,
    }
  } catch {
    return undefined
  }
}
