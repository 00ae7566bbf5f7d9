/** A pod's /etc/hosts and its host names: pure. */
import type { HostAlias, Pod } from '../../api/kinds/core/v1.ts'

const MAX_HOSTNAME_LENGTH = 63

/** The kernel's limit cuts a pod's name; what remains may not end in a dash or dot. */
export function truncateHostname(name: string): string {
  return name.length <= MAX_HOSTNAME_LENGTH ? name : name.slice(0, MAX_HOSTNAME_LENGTH).replace(/[-.]+$/, '')
}

export interface PodNames {
  /** What the pod's containers see as their host name. */
  hostname: string
  /** `hostname.subdomain.namespace.svc.domain`, where the pod has a subdomain. */
  fqdn: string | undefined
}

export function podNames(pod: Pod, clusterDomain: string, nodeName: string): PodNames {
  const { hostname, hostnameOverride, subdomain, setHostnameAsFQDN, hostNetwork } = pod.spec ?? {}
  if (hostnameOverride) return { hostname: hostnameOverride, fqdn: undefined }
  if (hostNetwork) return { hostname: nodeName, fqdn: undefined }
  const short = truncateHostname(hostname || pod.metadata.name)
  const fqdn = subdomain ? `${short}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : undefined
  return { hostname: (setHostnameAsFQDN && fqdn) || short, fqdn }
}

function aliasLines(aliases: readonly HostAlias[]): string[] {
  if (aliases.length === 0) return []
  return ['', '# Entries added by HostAliases.', ...aliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`)]
}

export interface HostsInput {
  pod: Pod
  podIps: readonly string[]
  names: PodNames
  /** The node's own /etc/hosts, for pods in its network. */
  nodeHosts: string
}

export function renderHosts({ pod, podIps, names, nodeHosts }: HostsInput): string {
  const aliases = aliasLines(pod.spec?.hostAliases ?? [])
  if (pod.spec?.hostNetwork) {
    return [`# Kubernetes-managed hosts file (host network).`, nodeHosts.trimEnd(), ...aliases, ''].join('\n')
  }
  const short = names.fqdn?.split('.')[0] ?? names.hostname
  const own = names.fqdn ? `${names.fqdn}\t${short}` : names.hostname
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...podIps.map((ip) => `${ip}\t${own}`),
    ...aliases,
  ]
  return `${lines.join('\n')}\n`
}
