/** The controllers of the controller manager, with the cluster's keys in their hands. */
import { createPrivateKey } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { SignJWT } from 'jose'
import { familyOf, type IpFamilyName } from '../base/ipFamily.ts'
import { controllerFactories, type ControllerFlags } from '../controllers/registry.ts'
import type { HostPathVolumes } from '../controllers/volume/hostPathProvisioner.ts'
import type { ControllerFactory } from '../reconcile/controller.ts'
import { createCertificateSigner } from './certificateSigner.ts'
import { VOLUMES_DIR } from './paths.ts'
import type { Pki } from './pki.ts'

const LEGACY_ISSUER = 'kubernetes.io/serviceaccount'

export interface KubeControllersOptions {
  pki: Pki
  /** Of the whole cluster, e.g. `10.244.0.0/16`; one of each IP family, separated by commas. */
  podCidr: string
  /** The node on which this runs, which keeps volumes of the default storage class; undefined where there is none. */
  nodeName?: string
  /** What was set by upstream's flags. */
  flags?: ControllerFlags
}

/** Prefix length of a node's part of the pod range. */
export const NODE_RANGE_BITS: Readonly<Record<IpFamilyName, number>> = { IPv4: 24, IPv6: 64 }

export const hostPathVolumesOf = (nodeName: string): HostPathVolumes => ({
  directory: VOLUMES_DIR,
  nodeName,
  remove: (path) => rm(path, { recursive: true, force: true }),
})

export function kubeControllers({ pki, podCidr, nodeName, flags }: KubeControllersOptions): Map<string, ControllerFactory> {
  const key = createPrivateKey(pki.serviceAccount.privateKey)
  return controllerFactories({
    rootCa: pki.ca.cert,
    ...(flags && { flags }),
    podCidr: {
      ranges: podCidr.split(',').map((clusterCidr) => ({ clusterCidr, nodeMaskBits: NODE_RANGE_BITS[familyOf(clusterCidr).name] })),
    },
    certificateSigner: createCertificateSigner(pki.ca, Date.now, flags?.['cluster-signing-duration']),
    ...(nodeName && { hostPathVolumes: hostPathVolumesOf(nodeName) }),
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
