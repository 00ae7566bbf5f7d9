/**
 * Removes this node's volumes of the default storage class once they are released. On the control plane's own node the
 * persistentvolume-binder does so; a further node looks after its directories itself, for nobody else can reach them.
 */
import { persistentvolumes } from '../../api/kinds/core/v1.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import { isProvisioned, isToBeRemoved, nodeOf, removeVolume, type HostPathVolumes } from './hostPathProvisioner.ts'

export function hostPathReclaimer({ client, informers }: ControllerContext, hostPath: HostPathVolumes): Controller {
  const informer = informers.for(persistentvolumes)
  return {
    name: 'host-path-reclaimer',
    watches: [watch(persistentvolumes, (volume) => [volume.metadata.name])],
    async reconcile(name, signal) {
      const volume = informer.get(name)
      if (!volume || nodeOf(volume) !== hostPath.nodeName || !isToBeRemoved(volume) || !isProvisioned(volume, hostPath)) return
      await removeVolume(client, volume, hostPath.remove, signal)
    },
  }
}
