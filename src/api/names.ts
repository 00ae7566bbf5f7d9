/** Names that the server makes up (k8s.io/apiserver names, apimachinery rand). What a valid name is stands in validation/names.ts. */

/** Upstream's alphabet: no vowels, so that no words come out, and nothing that looks alike. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'
const SUFFIX_LENGTH = 5
const MAX_NAME_LENGTH = 63

/** `random` answers numbers from 0 up to 1, like Math.random. */
export function randomSuffix(random: () => number = Math.random, length = SUFFIX_LENGTH): string {
  return Array.from({ length }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('')
}

/** `metadata.generateName` with its suffix; a long base is cut so that the name stays a DNS label. */
export function generateName(base: string, random: () => number = Math.random): string {
  return base.slice(0, MAX_NAME_LENGTH - SUFFIX_LENGTH) + randomSuffix(random)
}

/** Makes a hash safe to be part of a name (upstream's `rand.SafeEncodeString`): the pod-template-hash of a ReplicaSet. */
export function safeEncode(text: string): string {
  return [...Buffer.from(text)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('')
}
