/** The controllers of the controller manager, with the cluster's keys in their hands. */
import { createPrivateKey } from 'node:crypto'
import { SignJWT } from 'jose'
import { controllerFactories } from '../controllers/registry.ts'
import type { ControllerFactory } from '../reconcile/controller.ts'
import type { Pki } from './pki.ts'

const LEGACY_ISSUER = 'kubernetes.io/serviceaccount'

export function kubeControllers({ pki }: { pki: Pki }): Map<string, ControllerFactory> {
  const key = createPrivateKey(pki.serviceAccount.privateKey)
  return controllerFactories({
    rootCa: pki.ca.cert,
    signLegacyToken: ({ namespace, serviceAccountName, serviceAccountUid, secretName }) =>
      new SignJWT({
        [`${LEGACY_ISSUER}/namespace`]: namespace,
        [`${LEGACY_ISSUER}/secret.name`]: secretName,
        [`${LEGACY_ISSUER}/service-account.name`]: serviceAccountName,
        [`${LEGACY_ISSUER}/service-account.uid`]: serviceAccountUid,
      })
        .setIssuer('kubernetes/serviceaccount')
        .setSubject(`system:serviceaccount:${namespace}:${serviceAccountName}`)
        .setProtectedHeader({ alg: 'ES256' })
        .sign(key),
  })
}
