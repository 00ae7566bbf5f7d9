/**
 * The ciphers of objects in the store, byte by byte as upstream lays them out: what one server wrote another can read that has
 * the same keys. Each answers the bytes behind its prefix and takes them again.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import nacl from 'tweetnacl'

export interface Cipher {
  /** `place` is the key that the value is kept under: a value that was moved elsewhere is not read, where the cipher can tell. */
  encrypt(plain: Uint8Array, place: string): Uint8Array
  /** Throws what is wrong with the bytes. */
  decrypt(stored: Uint8Array, place: string): Uint8Array
}

const BLOCK_BYTES = 16
const GCM_NONCE_BYTES = 12
const GCM_TAG_BYTES = 16
const TOO_SHORT = 'the stored data was shorter than the required size'

/** AES-CBC: an initialization vector, then the blocks, padded by PKCS 7. */
export function aesCbc(key: Uint8Array): Cipher {
  const algorithm = `aes-${key.byteLength * 8}-cbc`
  return {
    encrypt(plain) {
      const vector = randomBytes(BLOCK_BYTES)
      const cipher = createCipheriv(algorithm, key, vector)
      return Buffer.concat([vector, cipher.update(plain), cipher.final()])
    },
    decrypt(stored) {
      if (stored.byteLength < BLOCK_BYTES) throw new Error(TOO_SHORT)
      if (stored.byteLength % BLOCK_BYTES !== 0) throw new Error('the stored data is not a multiple of the block size')
      if (stored.byteLength === BLOCK_BYTES) throw new Error('invalid PKCS7 data (empty or not padded)')
      const decipher = createDecipheriv(algorithm, key, stored.subarray(0, BLOCK_BYTES))
      const plain = decipher.update(stored.subarray(BLOCK_BYTES))
      try {
        return Buffer.concat([plain, decipher.final()])
      } catch (cause) {
        throw new Error('invalid padding on input', { cause })
      }
    },
  }
}

/** AES-GCM with the value's key in the store as what is authenticated besides: a nonce, the bytes, the tag. */
export function aesGcm(key: Uint8Array): Cipher {
  const algorithm = `aes-${key.byteLength * 8}-gcm` as 'aes-256-gcm'
  return {
    encrypt(plain, place) {
      const nonce = randomBytes(GCM_NONCE_BYTES)
      const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(place))
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    },
    decrypt(stored, place) {
      if (stored.byteLength < GCM_NONCE_BYTES) throw new Error(TOO_SHORT)
      const end = stored.byteLength - GCM_TAG_BYTES
      if (end < GCM_NONCE_BYTES) throw new Error('cipher: message authentication failed')
      const decipher = createDecipheriv(algorithm, key, stored.subarray(0, GCM_NONCE_BYTES), { authTagLength: GCM_TAG_BYTES })
      decipher.setAAD(Buffer.from(place)).setAuthTag(stored.subarray(end))
      const plain = decipher.update(stored.subarray(GCM_NONCE_BYTES, end))
      try {
        return Buffer.concat([plain, decipher.final()])
      } catch (cause) {
        throw new Error('cipher: message authentication failed', { cause })
      }
    },
  }
}

/** NaCl's secretbox (XSalsa20 and Poly1305): a nonce, then the box. */
export function secretbox(key: Uint8Array): Cipher {
  const { nonceLength, overheadLength } = nacl.secretbox
  // The library takes Uint8Arrays alone, no Buffers.
  const secret = Uint8Array.from(key)
  return {
    encrypt(plain) {
      const nonce = nacl.randomBytes(nonceLength)
      return Buffer.concat([nonce, nacl.secretbox(Uint8Array.from(plain), nonce, secret)])
    },
    decrypt(stored) {
      if (stored.byteLength < nonceLength + overheadLength) throw new Error(TOO_SHORT)
      const bytes = Uint8Array.from(stored)
      const plain = nacl.secretbox.open(bytes.subarray(nonceLength), bytes.subarray(0, nonceLength), secret)
      // Upstream's words for a box that does not open.
      if (!plain) throw new Error('output array was not large enough for encryption')
      return plain
    },
  }
}
