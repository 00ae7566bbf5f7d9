/** Bootstrap tokens as the Secrets of kube-system hold them. Pure. */
import { createHmac } from 'node:crypto'
import type { Secret } from '../../api/kinds/core/v1.ts'

export const TOKEN_NAMESPACE = 'kube-system'
export const TOKEN_SELECTOR = 'type=bootstrap.kubernetes.io/token'
const NAME_PREFIX = 'bootstrap-token-'

function field(secret: Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? '', 'base64').toString()
}

/** When a token ends; undefined where it does not, NaN where its end cannot be read. */
export function expirationMs(secret: Secret): number | undefined {
  const text = field(secret, 'expiration')
  return text === '' ? undefined : Date.parse(text)
}

/** The id and secret of a token that signs; undefined of any other. */
export function signingToken(secret: Secret, nowMs: number): { id: string; secret: string } | undefined {
  const id = field(secret, 'token-id')
  const text = field(secret, 'token-secret')
  if (secret.type !== 'bootstrap.kubernetes.io/token' || secret.metadata.name !== NAME_PREFIX + id) return undefined
  if (!/^[a-z0-9]{6}$/.test(id) || !/^[a-z0-9]{16}$/.test(text)) return undefined
  const endMs = expirationMs(secret)
  if (endMs !== undefined && !(endMs > nowMs)) return undefined
  return field(secret, 'usage-bootstrap-signing') === 'true' ? { id, secret: text } : undefined
}

/** A JWS over `content` that does not hold it: whoever knows the token knows that the content comes from this cluster. */
export function detachedSignature(content: string, { id, secret }: { id: string; secret: string }): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: id })).toString('base64url')
  const signature = createHmac('sha256', secret)
    .update(`${header}.${Buffer.from(content).toString('base64url')}`)
    .digest('base64url')
  return `${header}..${signature}`
}
