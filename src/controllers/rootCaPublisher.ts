/** Publishes the cluster's CA in every namespace, where pods mount it to know the API server by. */
import { configmaps, namespaces } from '../api/kinds/core/v1.ts'
import { isAlreadyExists, isNotFound } from '../api/status.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import { isNamespaceTerminating } from './podControl.ts'

const NAME = 'kube-root-ca.crt'
/** Clients may compare it: upstream's to the letter. */
const DESCRIPTION =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP ' +
  'or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

export function rootCaPublisher({ client, informers }: ControllerContext, rootCa: string): Controller {
  const namespaceInformer = informers.for(namespaces)
  const configMapInformer = informers.for(configmaps, { fieldSelector: `metadata.name=${NAME}` })
  const data = { 'ca.crt': rootCa }
  const annotations = { 'kubernetes.io/description': DESCRIPTION }
  return {
    name: 'root-ca-certificate-publisher-controller',
    watches: [
      watch(namespaces, (namespace) => [namespace.metadata.name]),
      watch(configmaps, (configMap) => [configMap.metadata.namespace], { fieldSelector: `metadata.name=${NAME}` }),
    ],
    async reconcile(key, signal) {
      const namespace = namespaceInformer.get(key)
      if (!namespace || namespace.metadata.deletionTimestamp !== undefined) return
      const known = configMapInformer.get(`${key}/${NAME}`)
      if (known?.data?.['ca.crt'] === rootCa && Object.keys(known.data).length === 1) return
      if (known) {
        await client.update(configmaps, { ...known, data }, { signal })
        return
      }
      await client
        .create(configmaps, { metadata: { name: NAME, namespace: key, annotations }, data }, { signal })
        .catch((error: unknown) => {
          if (!isAlreadyExists(error) && !isNamespaceTerminating(error) && !isNotFound(error)) throw error
        })
    },
  }
}
