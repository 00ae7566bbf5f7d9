/** The store that a control plane was told to use. Etcd's client is loaded by those alone who have an etcd. */
import { readFileSync } from 'node:fs'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Store } from '../storage/store.ts'

export interface DatastoreSettings {
  endpoints: readonly string[]
  caFile?: string
  certFile?: string
  keyFile?: string
}

export async function openDatastore(settings: DatastoreSettings, options: { log: Logger; clock: Clock }): Promise<Store> {
  const { openEtcdStore } = await import('../storage/etcd/etcdStore.ts')
  const { endpoints, caFile, certFile, keyFile } = settings
  return openEtcdStore({
    endpoints,
    tls: {
      ...(caFile && { ca: readFileSync(caFile) }),
      ...(certFile && { cert: readFileSync(certFile) }),
      ...(keyFile && { key: readFileSync(keyFile) }),
    },
    ...options,
  })
}
