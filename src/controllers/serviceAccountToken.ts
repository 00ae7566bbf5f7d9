/**
 * The legacy token controller: a Secret of type service-account-token gets a token that lives as long as it, and goes away
 * with its ServiceAccount.
 */
import { secrets, serviceaccounts, type Secret, type ServiceAccount } from '../api/kinds/core/v1.ts'
import { isNotFound } from '../api/status.ts'
import { keyOf, splitKey } from '../api/resource.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

const TYPE = 'kubernetes.io/service-account-token'
const ACCOUNT_NAME = 'kubernetes.io/service-account.name'
const ACCOUNT_UID = 'kubernetes.io/service-account.uid'
const BY_ACCOUNT = 'serviceAccount'

export interface LegacyTokenClaims {
  namespace: string
  serviceAccountName: string
  serviceAccountUid: string
  secretName: string
}

/** Signs a token without an end for a Secret. */
export type SignLegacyToken = (claims: LegacyTokenClaims) => Promise<string>

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** What becomes of a token Secret: `delete` when its ServiceAccount is not there, `fill` when something of it is missing. */
export function planTokenSecret(secret: Secret, account: ServiceAccount | undefined, rootCa: string): 'delete' | 'fill' | 'keep' {
  const uid = secret.metadata.annotations?.[ACCOUNT_UID]
  if (!account || (uid && uid !== account.metadata.uid)) return 'delete'
  const { data = {} } = secret
  const complete = uid && data['token'] && data['namespace'] && data['ca.crt'] === base64(rootCa)
  return complete ? 'keep' : 'fill'
}

function accountKey(secret: Secret): string[] {
  const name = secret.metadata.annotations?.[ACCOUNT_NAME]
  return secret.type === TYPE && name ? [`${secret.metadata.namespace}/${name}`] : []
}

export function serviceAccountTokenController({ client, informers }: ControllerContext, rootCa: string, sign: SignLegacyToken): Controller {
  const selection = { fieldSelector: `type=${TYPE}` }
  const secretInformer = informers.for(secrets, selection)
  const accountInformer = informers.for(serviceaccounts)
  secretInformer.addIndex(BY_ACCOUNT, accountKey)

  async function fill(secret: Secret, account: ServiceAccount, signal: AbortSignal): Promise<void> {
    const { name, namespace } = secret.metadata
    const claims = { namespace, serviceAccountName: account.metadata.name, serviceAccountUid: account.metadata.uid, secretName: name }
    const token = secret.data?.['token'] || base64(await sign(claims))
    const data = { ...secret.data, token, 'ca.crt': base64(rootCa), namespace: secret.data?.['namespace'] || base64(namespace) }
    const annotations = { ...secret.metadata.annotations, [ACCOUNT_UID]: account.metadata.uid }
    await client.update(secrets, { ...secret, metadata: { ...secret.metadata, annotations }, data }, { signal })
  }

  return {
    name: 'serviceaccount-token-controller',
    watches: [watch(secrets, accountKey, selection), watch(serviceaccounts, (account) => [keyOf(account)])],
    async reconcile(key, signal) {
      for (const secret of secretInformer.byIndex(BY_ACCOUNT, key)) {
        if (secret.metadata.deletionTimestamp !== undefined) continue
        // The cache may not have the account yet that the Secret names: what is deleted must be gone for certain.
        const account = accountInformer.get(key) ?? (await liveAccount(key, signal))
        const plan = planTokenSecret(secret, account, rootCa)
        if (plan === 'fill' && account) await fill(secret, account, signal)
        if (plan === 'delete') await client.delete(secrets, { ...at(secret), signal }, { preconditions: { uid: secret.metadata.uid } })
      }
    },
  }

  async function liveAccount(key: string, signal: AbortSignal): Promise<ServiceAccount | undefined> {
    try {
      return await client.get(serviceaccounts, { ...splitKey(key), signal })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }
}
