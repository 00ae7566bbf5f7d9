/** kubectl knows the cluster. */
import { mergeKubeconfig, removeFromKubeconfig } from '../kubeconfig/file.ts'
import type { StartContext } from './startContext.ts'
import type { Step } from './steps.ts'

const UNDO_TIMEOUT_MS = 15_000

export const kubeconfigStep: Step<StartContext> = {
  name: 'kubeconfig',
  message: 'Writing the kubeconfig',
  async run(context, { signal }) {
    const entry = context.credentialsEntry
    if (!entry) throw new Error('the credentials are not known yet')
    await mergeKubeconfig(entry, { env: context.env, keepContext: context.options.keepContext ?? false, signal })
  },
  async undo(context) {
    // The command's own signal may be the reason why it is undone.
    if (!context.before)
      await removeFromKubeconfig(context.options.profile, { env: context.env, signal: AbortSignal.timeout(UNDO_TIMEOUT_MS) })
  },
}
