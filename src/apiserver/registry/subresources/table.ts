/** Subresources that the registry answers, by `group/resource/subresource`, or with `*` for all kinds. */
import type { SubresourceHandler } from '../registryCore.ts'
import { approval } from './approval.ts'
import { bindPod, createBinding } from './binding.ts'
import { ephemeralContainers } from './ephemeralContainers.ts'
import { evict } from './eviction.ts'
import { finalizeNamespace } from './finalize.ts'
import { resizePod } from './resize.ts'
import { scale } from './scale.ts'
import { status } from './status.ts'
import { createToken } from './token.ts'

export const subresources: ReadonlyMap<string, SubresourceHandler> = new Map<string, SubresourceHandler>([
  ['*/status', status],
  ['*/scale', scale],
  ['/pods/binding', bindPod],
  ['/pods/eviction', evict],
  ['/pods/ephemeralcontainers', ephemeralContainers],
  ['/pods/resize', resizePod],
  ['/namespaces/finalize', finalizeNamespace],
  ['/serviceaccounts/token', createToken],
  ['certificates.k8s.io/certificatesigningrequests/approval', approval],
])

/** Resources that exist to be posted to. */
export const postedResources: ReadonlyMap<string, SubresourceHandler> = new Map([['/bindings', createBinding]])
