/** A container's environment, from its `envFrom`, `env` and the services around it. */
import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from '../../api/kinds/core/v1.ts'
import { expand } from './expansion.ts'
import { fieldValue, resourceValue } from '../pods/fieldRef.ts'
import type { PodFacts } from '../pods/fieldRef.ts'
import { serviceEnvironment } from './serviceEnv.ts'
import type { EnvEntry } from './serviceEnv.ts'

/** The container cannot be configured as its spec says; upstream's reason CreateContainerConfigError. */
export class ContainerConfigError extends Error {
  override readonly name = 'ContainerConfigError'
}

/** The objects that an environment may refer to, of the pod's namespace. */
export interface EnvironmentSources {
  configMap(name: string): Promise<ConfigMap | undefined>
  secret(name: string): Promise<Secret | undefined>
  services: readonly Service[]
}

export interface EnvironmentInput {
  pod: Pod
  container: Container
  facts: PodFacts
  sources: EnvironmentSources
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString()
}

async function configMapData(
  input: EnvironmentInput,
  name: string,
  optional: boolean | undefined,
): Promise<Record<string, string> | undefined> {
  const found = await input.sources.configMap(name)
  if (!found && !optional) throw new ContainerConfigError(`configmap "${name}" not found`)
  return found && (found.data ?? {})
}

async function secretData(
  input: EnvironmentInput,
  name: string,
  optional: boolean | undefined,
): Promise<Record<string, string> | undefined> {
  const found = await input.sources.secret(name)
  if (!found && !optional) throw new ContainerConfigError(`secret "${name}" not found`)
  return found && Object.fromEntries(Object.entries(found.data ?? {}).map(([key, value]) => [key, decode(value)]))
}

async function fromSources(input: EnvironmentInput): Promise<EnvEntry[]> {
  const entries: EnvEntry[] = []
  for (const { prefix = '', configMapRef, secretRef } of input.container.envFrom ?? []) {
    const data = configMapRef
      ? await configMapData(input, configMapRef.name ?? '', configMapRef.optional)
      : secretRef && (await secretData(input, secretRef.name ?? '', secretRef.optional))
    for (const [key, value] of Object.entries(data ?? {})) entries.push([`${prefix}${key}`, value])
  }
  return entries
}

/** Undefined where an optional reference leads nowhere. */
async function valueOf(input: EnvironmentInput, variable: EnvVar, known: ReadonlyMap<string, string>): Promise<string | undefined> {
  const { valueFrom } = variable
  if (!valueFrom) return expand(variable.value ?? '', (name) => known.get(name))
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom
  const { pod, container, facts } = input
  if (fieldRef) return fieldValue(pod, fieldRef.fieldPath, facts)
  if (resourceFieldRef) return resourceValue(pod, resourceFieldRef, container, facts)
  if (configMapKeyRef) {
    const { name = '', key, optional } = configMapKeyRef
    const data = await configMapData(input, name, optional)
    if (data && data[key] === undefined && !optional) {
      throw new ContainerConfigError(`couldn't find key ${key} in ConfigMap ${pod.metadata.namespace}/${name}`)
    }
    return data?.[key]
  }
  if (secretKeyRef) {
    const { name = '', key, optional } = secretKeyRef
    const data = await secretData(input, name, optional)
    if (data && data[key] === undefined && !optional) {
      throw new ContainerConfigError(`couldn't find key ${key} in Secret ${pod.metadata.namespace}/${name}`)
    }
    return data?.[key]
  }
  throw new ContainerConfigError(`environment variable ${variable.name}: its valueFrom is not supported`)
}

/** In the order services, envFrom, env; a later entry takes the place of an earlier one. */
export async function containerEnvironment(input: EnvironmentInput): Promise<EnvEntry[]> {
  const { pod, container, sources } = input
  const services = serviceEnvironment(sources.services, pod.metadata.namespace, pod.spec?.enableServiceLinks ?? true)
  const env = new Map<string, string>()
  for (const [name, value] of await fromSources(input)) if (name !== '' && !name.includes('=')) env.set(name, value)
  const serviceMap = new Map(services)
  for (const variable of container.env ?? []) {
    const value = await valueOf(input, variable, new Map([...serviceMap, ...env]))
    if (value !== undefined) env.set(variable.name, value)
  }
  return [...new Map([...serviceMap, ...env])]
}

/** The names of the ConfigMaps and Secrets that a container's environment needs. */
export function environmentReferences(container: Container): { configMaps: string[]; secrets: string[] } {
  const from = container.envFrom ?? []
  const env = (container.env ?? []).map((variable) => variable.valueFrom)
  const names = (list: readonly (string | undefined)[]): string[] =>
    [...new Set(list.filter((name) => name !== undefined && name !== ''))] as string[]
  return {
    configMaps: names([...from.map((f) => f.configMapRef?.name), ...env.map((e) => e?.configMapKeyRef?.name)]),
    secrets: names([...from.map((f) => f.secretRef?.name), ...env.map((e) => e?.secretKeyRef?.name)]),
  }
}
