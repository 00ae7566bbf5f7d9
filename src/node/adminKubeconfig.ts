/** The administrator's kubeconfig, as it lies on the node; the host fetches it and puts its own port in. */
import type { Pki } from './pki.ts'

const encode = (text: string): string => Buffer.from(text).toString('base64')

export function adminKubeconfig(clusterName: string, server: string, pki: Pick<Pki, 'ca' | 'admin'>): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: clusterName, cluster: { server, 'certificate-authority-data': encode(pki.ca.cert) } }],
    users: [{ name: clusterName, user: { 'client-certificate-data': encode(pki.admin.cert), 'client-key-data': encode(pki.admin.key) } }],
    contexts: [{ name: clusterName, context: { cluster: clusterName, user: clusterName } }],
    'current-context': clusterName,
  }
  // JSON is YAML: kubectl reads it as it is.
  return `${JSON.stringify(config, null, 2)}\n`
}
