/** The serviceaccount controller: every namespace has the ServiceAccount `default`, from its first moment on. */
import { namespaces, serviceaccounts } from '../api/kinds/core/v1.ts'
import { isAlreadyExists, isNotFound } from '../api/status.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import { isNamespaceTerminating } from './podControl.ts'

const NAME = 'default'

export function serviceAccountController({ client, informers }: ControllerContext): Controller {
  const namespaceInformer = informers.for(namespaces)
  const accountInformer = informers.for(serviceaccounts)
  return {
    name: 'serviceaccount-controller',
    watches: [
      watch(namespaces, (namespace) => [namespace.metadata.name]),
      watch(serviceaccounts, (account) => (account.metadata.name === NAME ? [account.metadata.namespace] : [])),
    ],
    async reconcile(key, signal) {
      const namespace = namespaceInformer.get(key)
      if (!namespace || namespace.metadata.deletionTimestamp !== undefined || accountInformer.get(`${key}/${NAME}`)) return
      await client.create(serviceaccounts, { metadata: { name: NAME, namespace: key } }, { signal }).catch((error: unknown) => {
        if (!isAlreadyExists(error) && !isNamespaceTerminating(error) && !isNotFound(error)) throw error
      })
    },
  }
}
