/** The token cleaner: bootstrap tokens go when their time is over. */
import { secrets } from '../../api/kinds/core/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { isConflict, isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { at } from '../ownership.ts'
import { expirationMs, TOKEN_NAMESPACE, TOKEN_SELECTOR } from './tokens.ts'

const TOKENS = { fieldSelector: TOKEN_SELECTOR }

export function tokenCleanerController({ client, informers, clock }: ControllerContext): Controller {
  const informer = informers.for(secrets, TOKENS)
  return {
    name: 'token-cleaner-controller',
    watches: [watch(secrets, (secret) => (secret.metadata.namespace === TOKEN_NAMESPACE ? [keyOf(secret)] : []), TOKENS)],
    async reconcile(key, signal): Promise<Outcome> {
      const secret = informer.get(key)
      const endMs = secret && expirationMs(secret)
      if (!secret || endMs === undefined || secret.metadata.deletionTimestamp !== undefined) return
      const leftMs = endMs - clock.now()
      if (leftMs > 0) return { requeueAfterMs: leftMs }
      const { uid } = secret.metadata
      // An end that cannot be read is over: such a token lets nobody in either.
      await client.delete(secrets, { ...at(secret), signal }, { preconditions: { uid } }).catch((error: unknown) => {
        if (!isNotFound(error) && !isConflict(error)) throw error
      })
    },
  }
}
