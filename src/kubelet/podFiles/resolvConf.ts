/** A pod's resolv.conf, by its dnsPolicy and dnsConfig: pure. */
import type { Pod } from '../../api/kinds/core/v1.ts'

export interface ResolvConf {
  nameservers: readonly string[]
  searches: readonly string[]
  options: readonly string[]
}

/** What resolvers read at most. */
const MAX_NAMESERVERS = 3
const MAX_SEARCHES = 32
const MAX_SEARCH_CHARS = 253
const MAX_SEARCH_LINE_CHARS = 2048

export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/))
  const last = (keyword: string): string[] => lines.findLast(([first]) => first === keyword)?.slice(1) ?? []
  return {
    nameservers: lines.filter(([first, address]) => first === 'nameserver' && address).map(([, address]) => address as string),
    searches: last('search'),
    options: last('options'),
  }
}

export interface DnsInput {
  pod: Pod
  clusterDns: readonly string[]
  clusterDomain: string
  /** The node's own. */
  node: ResolvConf
}

function byPolicy({ pod, clusterDns, clusterDomain, node }: DnsInput): ResolvConf {
  const policy = pod.spec?.dnsPolicy ?? 'ClusterFirst'
  if (policy === 'None') return { nameservers: [], searches: [], options: [] }
  const cluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !pod.spec?.hostNetwork)
  if (!cluster || clusterDns.length === 0) return node
  const own = [`${pod.metadata.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain]
  return { nameservers: clusterDns, searches: [...new Set([...own, ...node.searches])], options: ['ndots:5'] }
}

function mergeOptions(base: readonly string[], more: readonly { name?: string; value?: string }[]): string[] {
  const options = new Map(base.map((option) => [option.split(':')[0] ?? option, option]))
  for (const { name = '', value } of more) options.set(name, value ? `${name}:${value}` : name)
  return [...options.values()]
}

/** With what is left out of it, in upstream's words. */
export function podResolvConf(input: DnsInput): ResolvConf & { omissions: string[] } {
  const base = byPolicy(input)
  const { nameservers: more = [], searches: further = [], options = [] } = input.pod.spec?.dnsConfig ?? {}
  const [allServers, allSearches] = [[...new Set([...base.nameservers, ...more])], [...new Set([...base.searches, ...further])]]
  const nameservers = allServers.slice(0, MAX_NAMESERVERS)
  const searches = fitting(allSearches)
  const omitted = (what: string, some: string, line: string): string =>
    `${what} limits were exceeded, some ${some} have been omitted, the applied ${line}`
  const omissions = [
    ...(nameservers.length < allServers.length
      ? [omitted('Nameserver', 'nameservers', `nameserver line is: ${nameservers.join(' ')}`)]
      : []),
    ...(searches.length < allSearches.length ? [omitted('Search Line', 'search paths', `search line is: ${searches.join(' ')}`)] : []),
  ]
  return { nameservers, searches, options: mergeOptions(base.options, options), omissions }
}

function fitting(searches: readonly string[]): string[] {
  const kept: string[] = []
  let chars = -1
  for (const search of searches.slice(0, MAX_SEARCHES).filter(({ length }) => length <= MAX_SEARCH_CHARS)) {
    chars += search.length + 1
    if (chars > MAX_SEARCH_LINE_CHARS) break
    kept.push(search)
  }
  return kept
}

export function renderResolvConf({ nameservers, searches, options }: ResolvConf): string {
  const lines = [
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(searches.length ? [`search ${searches.join(' ')}`] : []),
    ...(options.length ? [`options ${options.join(' ')}`] : []),
  ]
  return `${lines.join('\n')}\n`
}
