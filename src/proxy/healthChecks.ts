/**
 * Health checks for load balancers: a service with `externalTrafficPolicy: Local` has a port on every node that says whether
 * the node has endpoints of it (kube-proxy's contract: 200 or 503, and the count as JSON).
 */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { Service } from '../api/kinds/core/v1.ts'
import type { Logger } from '../base/logger.ts'

interface Check {
  server: Server
  port: number
  localEndpoints: number
}

export interface HealthChecksOptions {
  host: string
  log: Logger
  /** Whether the rules follow the cluster: a load balancer is to leave a node alone where they do not. */
  isHealthy(): boolean
  /** A port that cannot be had. */
  onFailure(service: string, message: string): void
}

/** The ready endpoints of a service on a node. */
export function localEndpointCount(slices: readonly EndpointSlice[], nodeName: string): number {
  // A pod with addresses of both families counts once.
  const [first] = slices.map(({ addressType }) => addressType).toSorted()
  const addresses = slices
    .filter(({ addressType }) => addressType === first)
    .flatMap(({ endpoints }) =>
      (endpoints ?? [])
        .filter((endpoint) => endpoint.nodeName === nodeName && (endpoint.conditions?.ready ?? true))
        .flatMap((endpoint) => endpoint.addresses),
    )
  return new Set(addresses).size
}

export class HealthChecks {
  readonly #options: HealthChecksOptions
  readonly #checks = new Map<string, Check>()

  constructor(options: HealthChecksOptions) {
    this.#options = options
  }

  /** By `namespace/name`; undefined when the service is gone. */
  set(key: string, service: Service | undefined, localEndpoints: number): void {
    const { healthCheckNodePort: port, externalTrafficPolicy } = service?.spec ?? {}
    const known = this.#checks.get(key)
    const wanted = externalTrafficPolicy === 'Local' && port ? port : undefined
    if (known && known.port !== wanted) {
      known.server.close()
      known.server.closeAllConnections()
      this.#checks.delete(key)
    }
    if (wanted === undefined) return
    const check = this.#checks.get(key) ?? this.#open(key, wanted)
    check.localEndpoints = localEndpoints
  }

  close(): void {
    for (const key of [...this.#checks.keys()]) this.set(key, undefined, 0)
  }

  #open(key: string, port: number): Check {
    const { host, log, isHealthy, onFailure } = this.#options
    const [namespace, name] = key.split('/')
    const server = createServer((request, response) => {
      const { localEndpoints } = check
      const serviceProxyHealthy = isHealthy()
      request.resume()
      response.writeHead(localEndpoints > 0 && serviceProxyHealthy ? 200 : 503, {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      })
      response.end(JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy }))
    })
    const check: Check = { server, port, localEndpoints: 0 }
    server.on('error', (error) => {
      log.error(`the health check of service ${key} cannot listen on port ${port}`, error)
      // With the next look at the service it is tried again.
      if (this.#checks.get(key) === check) this.#checks.delete(key)
      onFailure(key, `failed to start healthcheck "${key}" on port ${port}: ${error.message}`)
    })
    server.listen(port, host)
    this.#checks.set(key, check)
    return check
  }
}
