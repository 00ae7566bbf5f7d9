/** What providers make of values: prefixes that say who wrote a value, and among several who reads it. */
import { aesCbc, aesGcm, secretbox } from './ciphers.ts'
import type { Cipher } from './ciphers.ts'
import type { Key, Provider } from './configuration.ts'

/** How a value was read. */
interface ReadValue {
  plain: Uint8Array
  /** It would be written otherwise: the next write of the object does so, even if nothing else changes. */
  stale: boolean
}

export interface Transformer {
  toStore(plain: Uint8Array, place: string): Uint8Array
  /** Throws where nobody can read it. */
  fromStore(stored: Uint8Array, place: string): ReadValue
}

interface Prefixed {
  prefix: Uint8Array
  transformer: Transformer
}

export type Direction = 'to_storage' | 'from_storage'

/** Told of each value: with which prefix, for how long, and whether in vain. */
export type Observer = (made: { direction: Direction; prefix: string; seconds: number; failed: boolean }) => void

const ENCRYPTED = Buffer.from('k8s:enc:')
const startsWith = (bytes: Uint8Array, prefix: Uint8Array): boolean =>
  bytes.byteLength >= prefix.byteLength && prefix.every((byte, i) => bytes[i] === byte)

/** As it is; what is encrypted is not for it. */
export const identity: Transformer = {
  toStore: (plain) => plain,
  fromStore(stored) {
    if (startsWith(stored, ENCRYPTED)) throw new Error('identity transformer tried to read encrypted data')
    return { plain: stored, stale: false }
  },
}

const withCipher = (cipher: Cipher): Transformer => ({
  toStore: (plain, place) => cipher.encrypt(plain, place),
  fromStore: (stored, place) => ({ plain: cipher.decrypt(stored, place), stale: false }),
})

/** The first writes; whose prefix a value has reads it, one after the other until it is read. */
function byPrefix(all: readonly Prefixed[], nobody: string, observe: Observer): Transformer {
  const [writer] = all as readonly [Prefixed]
  const observed = <T>(direction: Direction, prefix: string, work: () => T): T => {
    const startMs = performance.now()
    let failed = true
    try {
      const made = work()
      failed = false
      return made
    } finally {
      observe({ direction, prefix, seconds: (performance.now() - startMs) / 1000, failed })
    }
  }
  const textOf = (prefix: Uint8Array): string => Buffer.from(prefix).toString()
  const read = ({ prefix, transformer }: Prefixed, stored: Uint8Array, place: string): ReadValue => {
    if (prefix.byteLength > 0)
      return observed('from_storage', textOf(prefix), () => transformer.fromStore(stored.subarray(prefix.byteLength), place))
    const plain = transformer.fromStore(stored, place)
    return observed('from_storage', 'identity', () => plain)
  }
  return {
    toStore: (plain, place) =>
      observed('to_storage', textOf(writer.prefix), () => {
        const made = writer.transformer.toStore(plain, place)
        return writer.prefix.byteLength > 0 ? Buffer.concat([writer.prefix, made]) : made
      }),
    fromStore(stored, place) {
      const errors: string[] = []
      for (const [i, each] of all.entries()) {
        if (!startsWith(stored, each.prefix)) continue
        try {
          const { plain, stale } = read(each, stored, place)
          return { plain, stale: stale || i > 0 }
        } catch (error) {
          if (each.prefix.byteLength > 0) errors.push((error as Error).message)
        }
      }
      if (errors.length > 0) throw new Error(errors.length === 1 ? errors[0] : `[${[...new Set(errors)].join(', ')}]`)
      return observed('from_storage', 'unknown', () => {
        throw new Error(nobody)
      })
    },
  }
}

const CIPHERS = {
  aesgcm: { cipher: aesGcm, prefix: 'k8s:enc:aesgcm:v1:', name: 'AES' },
  aescbc: { cipher: aesCbc, prefix: 'k8s:enc:aescbc:v1:', name: 'AES' },
  secretbox: { cipher: secretbox, prefix: 'k8s:enc:secretbox:v1:', name: 'Secretbox' },
} as const

function prefixedOf(provider: Provider, observe: Observer): Prefixed {
  for (const [kind, { cipher, prefix, name }] of Object.entries(CIPHERS)) {
    const keys: readonly Key[] | undefined = provider[kind as keyof typeof CIPHERS]?.keys
    if (!keys) continue
    const byKey = keys.map((key) => ({
      prefix: Buffer.from(`${key.name}:`),
      transformer: withCipher(cipher(Buffer.from(key.secret, 'base64'))),
    }))
    const transformer = byPrefix(byKey, `no matching key was found for the provided ${name} transformer`, observe)
    return { prefix: Buffer.from(prefix), transformer }
  }
  return { prefix: new Uint8Array(0), transformer: identity }
}

export function transformerOf(providers: readonly Provider[], observe: Observer): Transformer {
  return byPrefix(
    providers.map((provider) => prefixedOf(provider, observe)),
    'no matching prefix found',
    observe,
  )
}
