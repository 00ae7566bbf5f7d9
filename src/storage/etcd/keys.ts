/** Keys and entries between the store's words and etcd's. */
import type { Entry } from '../store.ts'
import type { KeyValue } from './messages.ts'

/** As a range's end: all keys that follow. */
export const END_OF_KEYS = Uint8Array.of(0)

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const NOTHING = new Uint8Array(0)

export function bytesOf(key: string): Uint8Array {
  return encoder.encode(key)
}

export function keyText(key: Uint8Array, prefixLength: number): string {
  return decoder.decode(key).slice(prefixLength)
}

export function toEntry(kv: KeyValue, prefixLength: number): Entry {
  return {
    key: keyText(kv.key, prefixLength),
    value: kv.value ?? NOTHING,
    createRevision: kv.create_revision,
    modRevision: kv.mod_revision,
  }
}
