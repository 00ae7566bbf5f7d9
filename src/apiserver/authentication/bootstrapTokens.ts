/** Bootstrap tokens (kubeadm's way to join a node): `id.secret`, kept in a Secret of kube-system. */
import { timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../api/kinds/core/v1.ts'
import type { UserInfo } from '../request.ts'

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/
const GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/

function text(secret: Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? '', 'base64').toString()
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** The user of a bootstrap token, or undefined where the token is none or not (or no longer) good. */
export async function bootstrapUser(
  token: string,
  getSecret: (name: string) => Promise<Secret | undefined>,
  nowMs: number,
): Promise<UserInfo | undefined> {
  const match = TOKEN.exec(token)
  if (!match) return undefined
  const [, id = '', secretText = ''] = match
  const secret = await getSecret(`bootstrap-token-${id}`)
  if (!secret || secret.type !== 'bootstrap.kubernetes.io/token' || secret.metadata.deletionTimestamp) return undefined
  if (text(secret, 'token-id') !== id || !sameText(text(secret, 'token-secret'), secretText)) return undefined
  const expiration = text(secret, 'expiration')
  if (expiration && !(Date.parse(expiration) > nowMs)) return undefined
  if (text(secret, 'usage-bootstrap-authentication') !== 'true') return undefined
  const extraGroups = text(secret, 'auth-extra-groups')
    .split(',')
    .filter((g) => g !== '')
  if (!extraGroups.every((group) => GROUP.test(group))) return undefined
  return { name: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...extraGroups].sort(), extra: {} }
}
