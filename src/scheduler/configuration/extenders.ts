/** What a configuration says of extenders, and what it may not say. */
import { isQualifiedName } from '../../api/validation/names.ts'
import { isExtendedResource } from '../../api/validation/resourceNames.ts'
import type { Reader } from './reader.ts'

export interface ExtenderConfiguration {
  urlPrefix: string
  filterVerb?: string
  preemptVerb?: string
  prioritizeVerb?: string
  bindVerb?: string
  weight: number
  timeoutMs: number
  nodeCacheCapable: boolean
  managedResources: readonly { name: string; ignoredByScheduler: boolean }[]
  isIgnorable: boolean
  enableHttps: boolean
  tls?: ExtenderTls
}

/** Certificates and keys are in PEM; files are of the machine that the scheduler runs on. */
interface ExtenderTls {
  insecure: boolean
  serverName?: string
  cert?: string
  key?: string
  ca?: string
  certFile?: string
  keyFile?: string
  caFile?: string
}

function readTls(tls: Reader): ExtenderTls {
  const pem = (key: string): string => Buffer.from(tls.string(key), 'base64').toString()
  const given = {
    serverName: tls.string('serverName'),
    ...{ cert: pem('certData'), key: pem('keyData'), ca: pem('caData') },
    ...{ certFile: tls.string('certFile'), keyFile: tls.string('keyFile'), caFile: tls.string('caFile') },
  }
  return { insecure: tls.boolean('insecure'), ...Object.fromEntries(Object.entries(given).filter(([, text]) => text !== '')) }
}

function readManaged(item: Reader, seen: Set<string>): ExtenderConfiguration['managedResources'][number] {
  const name = item.string('name')
  const problems = isQualifiedName(name)
  for (const why of problems) item.invalid('name', name, why)
  if (problems.length === 0 && !isExtendedResource(name)) item.invalid('name', name, 'is an invalid extended resource name')
  if (seen.has(name)) item.invalid('name', name, 'duplicate extender managed resource name')
  seen.add(name)
  return { name, ignoredByScheduler: item.boolean('ignoredByScheduler') }
}

function readExtender(reader: Reader, managed: Set<string>): ExtenderConfiguration {
  const verbs = (['filterVerb', 'preemptVerb', 'prioritizeVerb', 'bindVerb'] as const).map((verb) => [verb, reader.string(verb)] as const)
  const weight = reader.integer('weight', 0)
  if (reader.string('prioritizeVerb') && weight <= 0) reader.invalid('weight', weight, 'must have a positive weight applied to it')
  const tls = reader.object('tlsConfig', 'ExtenderTLSConfig')
  const own = readTls(tls)
  tls.end()
  return {
    urlPrefix: reader.string('urlPrefix'),
    ...Object.fromEntries(verbs.filter(([, path]) => path !== '')),
    weight,
    timeoutMs: reader.durationMs('httpTimeout', 0) || 5_000,
    nodeCacheCapable: reader.boolean('nodeCacheCapable'),
    managedResources: reader.list('managedResources', 'v1.ExtenderManagedResource', (item) => readManaged(item, managed)),
    isIgnorable: reader.boolean('ignorable'),
    enableHttps: reader.boolean('enableHTTPS'),
    ...(reader.has('tlsConfig') && { tls: own }),
  }
}

export function readExtenders(file: Reader): ExtenderConfiguration[] {
  const managed = new Set<string>()
  const extenders = file.list('extenders', 'v1.Extender', (item) => readExtender(item, managed))
  const binders = extenders.filter(({ bindVerb }) => bindVerb !== undefined).length
  if (binders > 1) file.invalid('extenders', `found ${binders} extenders implementing bind`, 'only one extender can implement bind')
  return extenders
}
