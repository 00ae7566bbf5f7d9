/** The manifests in a folder of the node, as pods: what upstream's kubelet makes of a file of `staticPodPath`. */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadCatalog } from '../../api/catalog/load.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import { decodeYaml } from '../../api/codec/yaml.ts'
import { applyDefaults } from '../../api/defaulting/apply.ts'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { validatePod } from '../../api/validation/pod.ts'
import { MIRROR_ANNOTATION, SOURCE_ANNOTATION } from '../pods/origin.ts'
import { apiReferenceOf } from './apiReferences.ts'
import type { Draft } from '../../api/resource.ts'
import type { Logger } from '../../base/logger.ts'

const HASH_ANNOTATION = 'kubernetes.io/config.hash'
const SEEN_ANNOTATION = 'kubernetes.io/config.seen'
const MAX_MANIFEST_BYTES = 10 * 1024 * 1024

export interface ManifestContext {
  nodeName: string
  seenAtMs: number
}

/** These become parts of paths. */
const NAME = /^[a-z0-9][-a-z0-9.]*$/
const UID = /^[A-Za-z0-9][-A-Za-z0-9]*$/

/** No API server has looked at it. */
function checked(pod: Pod): Pod {
  const { name, namespace, uid } = pod.metadata
  const wrong = [name, namespace].find((one) => !NAME.test(one))
  if (wrong !== undefined) throw new Error(`${JSON.stringify(wrong)} is not a name`)
  if (!UID.test(uid)) throw new Error(`${JSON.stringify(uid)} is not a uid`)
  const errors = validatePod(pod)
  if (errors.length > 0) throw new Error(`invalid pod: [${errors.map(({ field, message }) => `${field}: ${message}`).join(', ')}]`)
  const reference = apiReferenceOf(pod)
  if (reference !== undefined) throw new Error(`static pods may not reference ${reference}`)
  return pod
}

/** The uid follows from the content: a file that changes is another pod. */
export function staticPod(manifest: object, path: string, { nodeName, seenAtMs }: ManifestContext, def: TypeDef): Pod {
  const pod = structuredClone(manifest) as Pod
  if (pod.kind !== 'Pod' || !pod.metadata?.name) throw new Error('it is no Pod with a name')
  applyDefaults(def, pod, { nowMs: seenAtMs })
  const hash = createHash('md5')
    .update(JSON.stringify([pod, nodeName, path]))
    .digest('hex')
  const { metadata, spec = { containers: [] } } = pod
  return checked({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: `${metadata.name}-${nodeName.toLowerCase()}`,
      namespace: metadata.namespace || 'default',
      uid: metadata.uid || hash,
      creationTimestamp: '',
      resourceVersion: '',
      annotations: {
        ...metadata.annotations,
        [HASH_ANNOTATION]: hash,
        [SOURCE_ANNOTATION]: 'file',
        [SEEN_ANNOTATION]: new Date(seenAtMs).toISOString(),
      },
    },
    spec: { ...spec, nodeName, tolerations: [...(spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }] },
  })
}

/** What the API is to show of a static pod. */
export function mirrorPodOf({ metadata, spec }: Pod, node: Node | undefined): Draft<Pod> {
  const { name, namespace, labels, annotations = {} } = metadata
  const owner = node && { apiVersion: 'v1', kind: 'Node', name: node.metadata.name, uid: node.metadata.uid, controller: true }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      ...(labels && { labels }),
      annotations: { ...annotations, [MIRROR_ANNOTATION]: annotations[HASH_ANNOTATION] ?? '' },
      ...(owner && { ownerReferences: [owner] }),
    },
    spec,
  }
}

/** The hash that a mirror of the static pod has. */
export function hashOf({ metadata }: Pod): string {
  return metadata.annotations?.[HASH_ANNOTATION] ?? ''
}

/** Pods by file. A file that cannot be understood (it may be half written) stands for what it was before. */
export async function readManifests(
  directory: string,
  before: ReadonlyMap<string, Pod>,
  options: { nodeName: string; nowMs: number; log: Logger },
): Promise<Map<string, Pod>> {
  const names = (await readdir(directory).catch(() => [])).filter((name) => !name.startsWith('.')).sort()
  if (names.length === 0) return new Map()
  const def = loadCatalog().typeOfKind({ group: '', version: 'v1', kind: 'Pod' })
  if (!def) throw new Error('the catalog has no pods')
  const found = new Map<string, Pod>()
  for (const name of names) {
    const path = join(directory, name)
    const known = before.get(path)
    try {
      const body = await readFile(path)
      if (body.length === 0) continue
      if (body.length > MAX_MANIFEST_BYTES) throw new Error(`it is larger than ${MAX_MANIFEST_BYTES} bytes`)
      const pod = staticPod(decodeYaml(body, def).object, path, { nodeName: options.nodeName, seenAtMs: options.nowMs }, def)
      found.set(path, known && hashOf(known) === hashOf(pod) ? known : pod)
    } catch (error) {
      options.log.warn('a manifest cannot be used', { path, error: String(error) })
      if (known) found.set(path, known)
    }
  }
  return found
}
