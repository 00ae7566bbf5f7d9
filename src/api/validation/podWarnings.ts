/** What is allowed in a pod but unwise (pkg/api/pod/warnings.go): shown as `Warning` headers. */
import type { ObjectMeta } from '../kinds/meta/v1.ts'
import type { Container, PodSpec } from '../kinds/core/v1.ts'

const DEPRECATED_LABELS: Record<string, string> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
const DEPRECATED_VOLUMES: Record<string, string> = {
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
}

function containerWarnings(container: Container, path: string): string[] {
  const seen = new Set<string>()
  return (container.env ?? []).flatMap(({ name }, i) => {
    if (!seen.has(name)) {
      seen.add(name)
      return []
    }
    return [`${path}.env[${i}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`]
  })
}

function annotationWarnings(annotations: Readonly<Record<string, string>>, path: string): string[] {
  const warnings: string[] = []
  const warn = (key: string, text: string): void => void warnings.push(`${path}metadata.annotations[${key}]: ${text}`)
  for (const key of Object.keys(annotations)) {
    if (key === 'seccomp.security.alpha.kubernetes.io/pod') warn(key, 'non-functional in v1.27+; use the "seccompProfile" field instead')
    if (key === 'scheduler.alpha.kubernetes.io/critical-pod') warn(key, 'non-functional in v1.16+; use the "priorityClassName" field instead')
    if (key.startsWith('container.apparmor.security.beta.kubernetes.io/')) warn(key, 'deprecated since v1.30; use the "appArmorProfile" field instead')
  }
  return warnings
}

export function podSpecWarnings(spec: PodSpec, meta: Partial<ObjectMeta>, path: string, metaPath: string): string[] {
  const warnings: string[] = []
  for (const key of Object.keys(spec.nodeSelector ?? {})) {
    const text = DEPRECATED_LABELS[key]
    if (text) warnings.push(`${path}.nodeSelector[${key}]: ${text}`)
  }
  warnings.push(...annotationWarnings(meta.annotations ?? {}, metaPath))
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    for (const [source, text] of Object.entries(DEPRECATED_VOLUMES)) if (source in volume) warnings.push(`${path}.volumes[${i}].${source}: ${text}`)
  }
  const aliases = new Set<string>()
  for (const [i, { ip }] of (spec.hostAliases ?? []).entries()) {
    if (aliases.has(ip)) warnings.push(`${path}.hostAliases[${i}].ip: duplicate ip ${JSON.stringify(ip)}`)
    aliases.add(ip)
  }
  const secrets = new Set<string>()
  for (const [i, { name = '' }] of (spec.imagePullSecrets ?? []).entries()) {
    if (!name) warnings.push(`${path}.imagePullSecrets[${i}].name: invalid empty name ""`)
    else if (secrets.has(name)) warnings.push(`${path}.imagePullSecrets[${i}].name: duplicate name ${JSON.stringify(name)}`)
    secrets.add(name)
  }
  for (const [i, container] of (spec.containers ?? []).entries()) warnings.push(...containerWarnings(container, `${path}.containers[${i}]`))
  for (const [i, container] of (spec.initContainers ?? []).entries()) warnings.push(...containerWarnings(container, `${path}.initContainers[${i}]`))
  return warnings
}
