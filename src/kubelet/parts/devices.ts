/** What pods claim of the node besides its CPUs and memory: devices of plugins, claims of drivers. */
import { join } from 'node:path'
import { DeviceManager } from '../devices/deviceManager.ts'
import { DraDrivers } from '../dynamicResources/draDrivers.ts'
import { DynamicResources } from '../dynamicResources/dynamicResources.ts'
import { PluginRegistry, type PluginRegistryOptions } from '../plugins/pluginRegistry.ts'
import type { KubeletParts, Shared } from './kubeletParts.ts'

export async function devicesOf({ options, clock, log, signal, parts }: Shared): Promise<DeviceManager> {
  const devices = new DeviceManager({
    clock,
    log,
    signal,
    directory: join(options.rootDir, 'device-plugins'),
    onChange(uids) {
      const { node, workers } = parts()
      node.devicesChanged()
      for (const uid of uids) workers.wake(uid)
    },
  })
  await devices.begin()
  return devices
}

export async function claimsOf({
  options,
  measures,
  clock,
  log,
  signal,
  parts,
}: Shared): Promise<Pick<KubeletParts, 'drivers' | 'claims'>> {
  const { client, nodeName, rootDir } = options
  const drivers = new DraDrivers({
    client,
    clock,
    log,
    signal,
    nodeName,
    measures,
    onHealth: (driver, devices) => claims.told(driver, devices),
  })
  const claims = new DynamicResources({
    client,
    clock,
    log,
    signal,
    measures,
    drivers,
    recordFile: join(rootDir, 'dra_manager_state'),
    isActive: (uid) =>
      parts()
        .workers.all()
        .some(({ metadata }) => metadata.uid === uid),
    onChange(uids) {
      for (const uid of uids) parts().workers.wake(uid)
    },
  })
  await claims.begin()
  return { drivers, claims }
}

/** Drivers and plugins as they announce themselves; pods that wait may have waited for one. */
export function pluginsOf({ options, clock, log, signal, parts }: Shared, kinds: PluginRegistryOptions['kinds']): PluginRegistry {
  return new PluginRegistry({
    clock,
    log,
    signal,
    directory: join(options.rootDir, 'plugins_registry'),
    kinds,
    onRegistered() {
      const { workers } = parts()
      for (const { metadata, status } of workers.all()) if (status?.phase === 'Pending') workers.wake(metadata.uid)
    },
  })
}
