/** What the cluster is to be: its network, ports and sizes, kept as its profile. */
import { join } from 'node:path'
import { parseExtraConfig } from '../../api/componentOptions.ts'
import type { EngineInfo } from '../engine/engine.ts'
import { withFileContents } from '../extraConfigFiles.ts'
import { withFileLock } from '../fileLock.ts'
import { chooseNodeIP, ensureNetwork, type IpFamilies, ipFamiliesOf, keptByOthers, removeNetwork } from '../network.ts'
import { likelyMode } from '../nodeContainer.ts'
import { kubernetesVersionOf } from '../nodeImage/nodeImage.ts'
import { chooseApiPort } from '../ports.ts'
import { listProfiles, removeProfile, writeProfile } from '../profile.ts'
import type { StartContext } from './startContext.ts'
import type { Step } from './steps.ts'

const RANGES = { serviceClusterIpRange: '10.96.0.0/16', podCidr: '10.244.0.0/16', clusterDns: '10.96.0.10', clusterDomain: 'cluster.local' }
/** Beside those: kind's. */
const IPV6_RANGES = { serviceClusterIpRange: 'fd00:10:96::/112', podCidr: 'fd00:10:244::/56' }

export const planStep: Step<StartContext> = {
  name: 'plan',
  message: 'Choosing network and ports',
  async run(context, { signal }) {
    // Two starts at once must not choose the same port or address: each sees what the other wrote.
    const lock = { path: join(context.home, '.plan.lock'), signal }
    await withFileLock(lock, () => plan(context, signal))
  },
  async undo(context) {
    if (context.before) {
      await writeProfile(context.home, context.before)
      return
    }
    await removeProfile(context.home, context.options.profile)
    if (context.engine) await removeNetwork(context.engine)
  },
}

function rangesOf(ipFamily: IpFamilies): typeof RANGES {
  if (ipFamily === 'ipv4') return RANGES
  const both = (range: 'serviceClusterIpRange' | 'podCidr'): string => `${RANGES[range]},${IPV6_RANGES[range]}`
  return { ...RANGES, serviceClusterIpRange: both('serviceClusterIpRange'), podCidr: both('podCidr') }
}

async function plan(context: StartContext, signal: AbortSignal): Promise<void> {
  const { options, before, home } = context
  const engine = context.requireEngine()
  const info = context.info as EngineInfo
  const ipFamily = before ? ipFamiliesOf(before.network) : (options.ipFamily ?? 'ipv4')
  const network = await ensureNetwork(engine, info, ipFamily)
  const others = (await listProfiles(home)).valid.filter((profile) => profile.name !== options.profile)
  const sameNetwork = before?.network.subnet === network.subnet
  const kept = await keptByOthers(engine, options.profile)
  const taken = new Set([...others.map((profile) => profile.network.nodeIP), ...kept.nodeIPs])
  const takenPorts = new Set([...others.map((profile) => profile.hostApiPort), ...kept.apiPorts])
  context.profile = {
    createdAt: new Date().toISOString(),
    containerMode: likelyMode(info),
    hostApiPort: before?.hostApiPort ?? (await chooseApiPort(takenPorts)),
    publish: [],
    ...rangesOf(ipFamily),
    ...before,
    name: options.profile,
    kubernetesVersion: await kubernetesVersionOf(engine, context.image as string, signal),
    engineHost: engine.address.host,
    image: context.image as string,
    imagePinned: options.image !== undefined || (before?.imagePinned ?? false),
    network: { ...network, nodeIP: sameNetwork ? before.network.nodeIP : chooseNodeIP(network.subnet, taken) },
    ...(options.publish && { publish: options.publish }),
    ...(options.cpus && { cpus: options.cpus }),
    ...(options.nodes !== undefined && { nodes: options.nodes }),
    ...(options.fakeNodes !== undefined && { fakeNodes: options.fakeNodes }),
    ...(options.memoryBytes && { memoryBytes: options.memoryBytes }),
    ...(options.extraConfig && { extraConfig: withFileContents(parseExtraConfig(options.extraConfig)) }),
  }
  await writeProfile(home, context.profile)
}
