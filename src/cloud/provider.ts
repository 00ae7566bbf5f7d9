/** What the controllers need of a cloud (upstream's cloud provider interface, cut to what a laptop has). */

/** What the laptop offers. */
export interface Cloud {
  clusterName: string
  /** The machine behind a node, or undefined when there is none of that name. */
  instance(nodeName: string): Instance | undefined
  loadBalancers: LoadBalancers
}

export interface Instance {
  /** `minicube://<cluster>/<node>`. */
  providerId: string
  instanceType: string
  zone: string
  region: string
  /** What kubectl shows as the node's roles. */
  roles?: readonly string[]
}

export interface LoadBalancers {
  /** Addresses that can be given out, in order of preference. */
  pool: readonly string[]
  /** The node that `announce` is about. */
  nodeName: string
  /** Makes the node answer for exactly these addresses; fine when it does already. */
  announce(addresses: readonly string[], signal: AbortSignal): Promise<void>
}
