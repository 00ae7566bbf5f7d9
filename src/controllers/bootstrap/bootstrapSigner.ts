/**
 * The bootstrap signer: the ConfigMap kube-public/cluster-info carries, for each bootstrap token that signs, a signature of
 * its kubeconfig, by which whoever joins with the token knows that it is this cluster's (kubeadm's discovery).
 */
import { configmaps, secrets } from '../../api/kinds/core/v1.ts'
import { isConflict } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import { detachedSignature, signingToken, TOKEN_NAMESPACE, TOKEN_SELECTOR } from './tokens.ts'

const NAMESPACE = 'kube-public'
const NAME = 'cluster-info'
const KUBECONFIG = 'kubeconfig'
const SIGNATURE_PREFIX = 'jws-kubeconfig-'
const KEY = `${NAMESPACE}/${NAME}`
const CONFIG_MAP = { fieldSelector: `metadata.name=${NAME}` }
const TOKENS = { fieldSelector: TOKEN_SELECTOR }

/** The ConfigMap's data with the signatures that it should have; undefined where it has them. Pure. */
export function signedData(
  data: Readonly<Record<string, string>>,
  tokens: readonly { id: string; secret: string }[],
): Record<string, string> | undefined {
  const kubeconfig = data[KUBECONFIG]
  if (kubeconfig === undefined) return undefined
  const rest = Object.entries(data).filter(([key]) => !key.startsWith(SIGNATURE_PREFIX))
  const signatures = tokens.map((token) => [SIGNATURE_PREFIX + token.id, detachedSignature(kubeconfig, token)] as const)
  const wanted = Object.fromEntries([...rest, ...signatures])
  const same =
    Object.keys(wanted).length === Object.keys(data).length && Object.entries(wanted).every(([key, value]) => data[key] === value)
  return same ? undefined : wanted
}

export function bootstrapSignerController({ client, informers, clock }: ControllerContext): Controller {
  const configMapInformer = informers.for(configmaps, CONFIG_MAP)
  const secretInformer = informers.for(secrets, TOKENS)
  return {
    name: 'bootstrap-signer-controller',
    watches: [
      watch(configmaps, (configMap) => (configMap.metadata.namespace === NAMESPACE ? [KEY] : []), CONFIG_MAP),
      watch(secrets, (secret) => (secret.metadata.namespace === TOKEN_NAMESPACE ? [KEY] : []), TOKENS),
    ],
    async reconcile(key, signal) {
      const known = configMapInformer.get(key)
      if (!known) return
      const tokens = secretInformer
        .list()
        .filter(({ metadata }) => metadata.namespace === TOKEN_NAMESPACE && metadata.deletionTimestamp === undefined)
        .flatMap((secret) => signingToken(secret, clock.now()) ?? [])
      const data = signedData(known.data ?? {}, tokens)
      if (!data) return
      // Whoever changed it meanwhile has woken us already.
      await client.update(configmaps, { ...known, data }, { signal }).catch((error: unknown) => {
        if (!isConflict(error)) throw error
      })
    },
  }
}
