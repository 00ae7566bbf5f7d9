/**
 * What the host tells the node container, in its environment as MINICUBE_CONFIG (JSON), once for the container's life.
 * Everything has a default, so that the image also starts alone.
 */
import type { ExtraConfig } from '../api/componentOptions.ts'

export interface NodeConfig {
  /** A worker has a kubelet and what its pods' network needs, and joins the control plane of another node. */
  role: 'control-plane' | 'worker'
  /** Where a worker finds the API server: `https://192.168.0.2:6443`. */
  controlPlaneUrl: string
  clusterName: string
  nodeName: string
  /** CIDR of service addresses. */
  serviceClusterIpRange: string
  /** CIDR that the nodes' pod ranges are cut from. */
  podCidr: string
  /** Port of the API server inside the container. */
  apiServerPort: number
  /** Port on the host's loopback that leads to it; 0 when it is not published. */
  hostApiPort: number
  /** Address of the cluster's DNS Service. */
  clusterDns: string
  clusterDomain: string
  /** Further names and addresses for the API server's certificate. */
  sans: readonly string[]
  /** How many nodes without a machine there are beside the real one. */
  fakeNodes: number
  /** Files inside the container, by upstream's flags; '' where there are none. */
  auditPolicyFile: string
  auditLogPath: string
  auditLogMaxSizeMegabytes: number
  auditLogMaxBackups: number
  auditLogMaxAgeDays: number
  tokenAuthFile: string
  /** Options of components by upstream's names, as `--extra-config` gave them (src/api/componentOptions.ts). */
  extraConfig: ExtraConfig
  logLevel: 'debug' | 'info' | 'warn' | 'error'
}

const DEFAULTS: NodeConfig = {
  role: 'control-plane',
  controlPlaneUrl: '',
  clusterName: 'minicube',
  nodeName: 'minicube',
  serviceClusterIpRange: '10.96.0.0/16',
  podCidr: '10.244.0.0/16',
  apiServerPort: 6443,
  hostApiPort: 0,
  clusterDns: '10.96.0.10',
  clusterDomain: 'cluster.local',
  sans: [],
  fakeNodes: 0,
  auditPolicyFile: '',
  auditLogPath: '',
  auditLogMaxSizeMegabytes: 100,
  auditLogMaxBackups: 0,
  auditLogMaxAgeDays: 0,
  tokenAuthFile: '',
  extraConfig: {},
  logLevel: 'info',
}

export function readNodeConfig(env: Readonly<Record<string, string | undefined>>): NodeConfig {
  const text = env['MINICUBE_CONFIG']
  if (!text) return DEFAULTS
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch (cause) {
    throw new Error('MINICUBE_CONFIG is not JSON', { cause })
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new Error('MINICUBE_CONFIG must be a JSON object')
  for (const [key, value] of Object.entries(given)) {
    const expected = DEFAULTS[key as keyof NodeConfig]
    if (expected === undefined) continue
    if (typeof value !== typeof expected) throw new Error(`MINICUBE_CONFIG: ${key} must be a ${typeof expected}, not ${typeof value}`)
  }
  return { ...DEFAULTS, ...(given as Partial<NodeConfig>) }
}
