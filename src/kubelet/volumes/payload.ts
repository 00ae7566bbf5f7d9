/** What the files of a ConfigMap, Secret, downward API or projected volume contain: pure. */
import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret } from '../../api/kinds/core/v1.ts'
import { fieldValue, resourceValue } from '../pods/fieldRef.ts'
import type { PodFacts } from '../pods/fieldRef.ts'

export interface ProjectedFile {
  data: Uint8Array
  mode: number
  /** Owner, where it is not root. */
  uid?: number
}

/** By path inside the volume. */
export type Payload = ReadonlyMap<string, ProjectedFile>

export const DEFAULT_FILE_MODE = 0o644

export interface ItemsOptions {
  items: readonly KeyToPath[] | undefined
  defaultMode: number
  optional: boolean
  /** How upstream words that a key is missing, up to its name. */
  missing: string
}

function select(data: ReadonlyMap<string, Uint8Array>, { items, defaultMode, optional, missing }: ItemsOptions): Payload {
  if (!items?.length) return new Map([...data].map(([path, bytes]) => [path, { data: bytes, mode: defaultMode }]))
  const files = new Map<string, ProjectedFile>()
  for (const { key, path, mode } of items) {
    const bytes = data.get(key)
    if (bytes) files.set(path, { data: bytes, mode: mode ?? defaultMode })
    else if (!optional) throw new Error(`${missing}: ${key}`)
  }
  return files
}

export function configMapPayload(configMap: ConfigMap | undefined, options: ItemsOptions): Payload {
  const text = Object.entries(configMap?.data ?? {}).map(([key, value]): [string, Uint8Array] => [key, Buffer.from(value)])
  const binary = Object.entries(configMap?.binaryData ?? {}).map(([key, value]): [string, Uint8Array] => [
    key,
    Buffer.from(value, 'base64'),
  ])
  return select(new Map([...text, ...binary]), options)
}

export function secretPayload(secret: Secret | undefined, options: ItemsOptions): Payload {
  return select(new Map(Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')])), options)
}

export function downwardPayload(pod: Pod, items: readonly DownwardAPIVolumeFile[], defaultMode: number, facts: PodFacts): Payload {
  const files = new Map<string, ProjectedFile>()
  for (const { path, mode, fieldRef, resourceFieldRef } of items) {
    const text = fieldRef
      ? fieldValue(pod, fieldRef.fieldPath, facts)
      : resourceFieldRef && resourceValue(pod, resourceFieldRef, undefined, facts)
    if (text !== undefined) files.set(path, { data: Buffer.from(text), mode: mode ?? defaultMode })
  }
  return files
}
