/** Names of the machine outside the node, as minicube, minikube and Docker have them. */

const NAMES = ['host.minicube.internal', 'host.minikube.internal', 'host.docker.internal'] as const

/**
 * Addresses by name, for cluster DNS: read from the node's hosts file, where the engine writes the address of its host at every
 * start. What the file lacks gets the address of the ones it has; without any of them there is nothing to say.
 */
export function hostNames(hostsFile: string): Readonly<Record<string, string>> {
  const known = new Map<string, string>()
  for (const line of hostsFile.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    // Cluster DNS answers for them with A records alone.
    if (!address || !/^\d+(\.\d+){3}$/.test(address)) continue
    for (const name of names) if (!known.has(name)) known.set(name, address)
  }
  const host = NAMES.map((name) => known.get(name)).find((address) => address !== undefined)
  return host === undefined ? {} : Object.fromEntries(NAMES.map((name) => [name, known.get(name) ?? host]))
}
