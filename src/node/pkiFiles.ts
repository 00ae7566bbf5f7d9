/**
 * Keys and certificates as files. A file is whole or not there, also after a power loss: what cannot be made again is on the
 * disk before it gets its name, and what is damaged all the same is never taken for missing.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate with its key, both PEM. */
export interface KeyPair {
  cert: string
  key: string
}

/** What is in the folder cannot be used, and is left as it is. */
export class PkiError extends Error {
  override readonly name = 'PkiError'
}

/** A block of PEM, to its end: what a power loss leaves of a file is empty, zeros, or a part of it. */
const PEM = /-----BEGIN ([A-Z ]+)-----\s[A-Za-z0-9+/=\s]+-----END \1-----/

const keyFile = (dir: string, name: string): string => join(dir, `${name}.key`)
const certFile = (dir: string, name: string): string => join(dir, `${name}.crt`)

function readPem(file: string): string | undefined {
  if (!existsSync(file)) return undefined
  const text = readFileSync(file, 'utf8')
  if (!PEM.test(text)) throw new PkiError(`${file} is damaged: it holds no whole PEM block`)
  return text
}

/** `isKept`: on the disk before it is known by its name. */
export function writeWhole(file: string, text: string, { mode, isKept = false }: { mode: number; isKept?: boolean }): void {
  const partial = `${file}.new`
  try {
    rmSync(partial, { force: true })
    const descriptor = openSync(partial, 'wx', mode)
    try {
      writeSync(descriptor, text)
      if (isKept) fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(partial, file)
  } catch (error) {
    throw new PkiError(`${file} cannot be written: ${(error as Error).message}`, { cause: error })
  }
}

/** Names of files, like their contents, can be lost. */
export function syncFolder(dir: string): void {
  const descriptor = openSync(dir, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** What can be made again: undefined where it is not there, or not whole. */
export function readReplaceable(dir: string, name: string): KeyPair | undefined {
  try {
    const [cert, key] = [readPem(certFile(dir, name)), readPem(keyFile(dir, name))]
    return cert !== undefined && key !== undefined ? { cert, key } : undefined
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

/** The key is there before its certificate, so a certificate without one has lost it. */
export function readAuthority(dir: string, name: string): { key: string; cert: string | undefined } | undefined {
  const [cert, key] = [readPem(certFile(dir, name)), readPem(keyFile(dir, name))]
  if (key !== undefined) return { key, cert }
  if (cert === undefined) return undefined
  throw new PkiError(`${keyFile(dir, name)} is missing, and the authority of ${certFile(dir, name)} cannot sign without it`)
}

export function saveAuthority(dir: string, name: string, pair: KeyPair): KeyPair {
  return savePair(dir, name, pair, true)
}

export function saveReplaceable(dir: string, name: string, pair: KeyPair): KeyPair {
  return savePair(dir, name, pair, false)
}

function savePair(dir: string, name: string, pair: KeyPair, isKept: boolean): KeyPair {
  writeWhole(keyFile(dir, name), pair.key, { mode: 0o600, isKept })
  writeWhole(certFile(dir, name), pair.cert, { mode: 0o644, isKept })
  return pair
}

/** The private key; the public one beside it is for whoever looks for it there, and follows from it. */
export function readSigningKey(dir: string, name: string): string | undefined {
  const key = readPem(keyFile(dir, name))
  if (key === undefined && existsSync(join(dir, `${name}.pub`)))
    throw new PkiError(
      `${keyFile(dir, name)} is missing: tokens signed with it would not be known any more. To have a new one made, remove ${name}.pub`,
    )
  return key
}

export function saveSigningKey(dir: string, name: string, keys: { privateKey: string; publicKey: string }): void {
  writeWhole(keyFile(dir, name), keys.privateKey, { mode: 0o600, isKept: true })
  writeWhole(join(dir, `${name}.pub`), keys.publicKey, { mode: 0o644, isKept: true })
}
