/** An APIService that leads to another server, and what is known of that. */
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { RemoteServer } from './remoteServer.ts'

export interface RemoteVersion {
  /** As in apidiscovery.k8s.io/v2's APIVersionDiscovery. */
  resources: readonly JsonObject[]
  freshness: 'Current' | 'Stale'
}

export interface Remote {
  apiService: APIService
  server: RemoteServer
  discovered: RemoteVersion
}
