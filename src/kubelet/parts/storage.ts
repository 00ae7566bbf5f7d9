/** The objects, volumes and images that pods use. */
import { join } from 'node:path'
import { secrets } from '../../api/kinds/core/v1.ts'
import { CsiVolumes } from '../csi/csiVolumes.ts'
import { CsiPlugins } from '../csi/plugins.ts'
import { ImageCollector } from '../images/imageCollector.ts'
import { PulledImages } from '../images/pulledImages.ts'
import { podsMemoryBytes } from '../node/capacity.ts'
import { PodObjects } from '../pods/podObjects.ts'
import { Volumes } from '../volumes/volumes.ts'
import type { KubeletParts, Shared } from './kubeletParts.ts'

export interface Storage extends Pick<KubeletParts, 'images' | 'pulledImages' | 'csi'> {
  csiPlugins: CsiPlugins
  objects: PodObjects
  volumes: Volumes
}

export function storageOf({ options, configuration, amounts, measures, clock, log, signal, parts }: Shared): Storage {
  const { client, runtime, nodeName, rootDir } = options
  const objects = new PodObjects({
    client,
    clock,
    log,
    signal,
    onChange(uids) {
      const { life, workers } = parts()
      for (const uid of uids) {
        life.objectsChanged(uid)
        workers.wake(uid)
      }
    },
  })
  const csiPlugins = new CsiPlugins({ client, signal, nodeName })
  const csi = new CsiVolumes({
    client,
    plugins: csiPlugins,
    rootDir,
    nodeName,
    clock,
    onInUse: () => parts().node.volumesChanged(),
    secret: (namespace, name, until) => client.get(secrets, { namespace, name, signal: until }),
  })
  const memoryBytes = podsMemoryBytes(amounts.capacity, configuration)
  const { memoryDir } = options
  const volumes = new Volumes({
    client,
    nodeName,
    clock,
    objects,
    rootDir,
    runtime,
    csi,
    memoryBytes,
    measures,
    ...(memoryDir && { memoryDir }),
  })
  const directory = join(rootDir, 'image_manager')
  const pulledImages = new PulledImages({ directory, policy: configuration, runtime, measures, clock, log })
  const images = new ImageCollector({
    configuration,
    runtime,
    clock,
    log,
    rootDir,
    measures,
    pulledImages,
    onNodeEvent: (reason, message) => parts().node.warn(reason, message),
    alsoUsed: () => volumes.imagesInUse(),
  })
  return { objects, csiPlugins, csi, volumes, images, pulledImages }
}
