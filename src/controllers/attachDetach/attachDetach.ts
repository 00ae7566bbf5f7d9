/**
 * The attach-detach controller: a volume of a storage driver is attached to a node while pods there mount it. The controller
 * says so by VolumeAttachments; the driver's own attacher does it and answers in their status, which the kubelet waits for
 * (upstream's pkg/controller/volume/attachdetach with the CSI plugin). Drivers that need none say `attachRequired: false`.
 */
import { nodes, persistentvolumeclaims, persistentvolumes, pods } from '../../api/kinds/core/v1.ts'
import { csidrivers, volumeattachments } from '../../api/kinds/storage/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import { AttachmentWrites } from './apply.ts'
import { newsOf } from './news.ts'
import { AttachmentView, nodeOf } from './observe.ts'
import { planNode } from './plan.ts'

export function attachDetachController(context: ControllerContext): Controller {
  const view = new AttachmentView(context.informers, context.clock)
  const writes = new AttachmentWrites(context)
  return {
    name: 'persistentvolume-attach-detach-controller',
    watches: [
      watch(pods, nodeOf),
      watch(volumeattachments, (one) => view.nodesOfAttachment(one)),
      watch(persistentvolumeclaims, (claim) => view.nodesOfClaim(keyOf(claim))),
      watch(persistentvolumes, (volume) => view.nodesOfVolume(volume)),
      watch(nodes, ({ metadata: { name } }) => (view.hasAttachments(name) ? [name] : [])),
      watch(csidrivers, () => []),
    ],
    async reconcile(nodeName, signal) {
      const facts = view.factsOf(nodeName)
      if (!facts) return
      const plan = planNode(facts)
      // First the node is told that the volume is no longer safe to mount.
      await writes.setAttached(facts.node, plan.attached, signal)
      for (const attachment of plan.detach) {
        await writes.detach(attachment, signal)
        view.forget(attachment)
      }
      for (const one of plan.attach) await writes.attach(one, nodeName, signal)
      for (const news of newsOf(facts, plan)) writes.tell(nodeName, news)
      if (plan.recheckMs !== undefined) return { requeueAfterMs: plan.recheckMs }
    },
  }
}
