/** What is wanted of devices, and what was chosen for it. */
import type { DeviceClass, DeviceSubRequest, ExactDeviceRequest } from '../../api/kinds/resource/v1.ts'
import type { Consumed } from './capacity.ts'
import type { PoolDevice } from './pools.ts'

/** One request, or one of its alternatives. */
export interface Wish {
  claim: number
  /** `request` or `request/alternative`. */
  name: string
  request: ExactDeviceRequest | DeviceSubRequest
  deviceClass: DeviceClass | undefined
  adminAccess: boolean
  /** What it gets if it asks for everything. */
  all?: readonly PoolDevice[]
}

export interface Choice {
  wish: Wish
  device: PoolDevice
  /** Of a device that is shared. */
  consumed: Consumed | undefined
}
