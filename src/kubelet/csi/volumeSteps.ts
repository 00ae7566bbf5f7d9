/** The steps towards a driver's volume, as upstream's events call them. */
import { VolumeStepError } from '../volumes/volumeErrors.ts'
import type { Socket } from './driver.ts'
import type { CsiPlugins } from './plugins.ts'

export interface VolumeStep {
  name: string
  /** What it says when the driver is not there. */
  noDriver: string
}

export const VOLUME_STEPS: Record<'file' | 'block', Record<'stage' | 'publish', VolumeStep>> = {
  file: {
    stage: { name: 'MountVolume.MountDevice failed', noDriver: 'attacher.MountDevice failed to create newCsiDriverClient' },
    publish: { name: 'MountVolume.SetUp failed', noDriver: 'mounter.SetUpAt failed to get CSI client' },
  },
  block: {
    stage: { name: 'MapVolume.SetUpDevice failed', noDriver: 'blockMapper.SetUpDevice failed to get CSI client' },
    publish: { name: 'MapVolume.MapPodDevice failed', noDriver: 'blockMapper.MapPodDevice failed to get CSI client' },
  },
}

/** The driver, which a step cannot do without. */
export function driverFor(plugins: CsiPlugins, name: string, step: VolumeStep): Socket {
  try {
    return plugins.driver(name)
  } catch (error) {
    throw new VolumeStepError(step.name, `kubernetes.io/csi: ${step.noDriver}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
