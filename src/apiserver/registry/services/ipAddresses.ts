/**
 * An IPAddress object for each cluster address of a Service, so that everybody sees which are taken and by whom. Upstream
 * allocates by creating them; here the pool decides and they follow the Services, one write at a time for each address. What is
 * out of step is put right as upstream's repair does: one that somebody deleted comes again, and those that a server which
 * died left behind go.
 */
import { familyOf } from '../../../base/ipFamily.ts'
import { services as serviceResource } from '../../../api/kinds/core/v1.ts'
import { ipaddresses as addressResource } from '../../../api/kinds/networking/v1.ts'
import { isAlreadyExists, isNotFound } from '../../../api/status.ts'
import { prefixOf } from '../../cache/keys.ts'
import { ownWriteContext, type OwnWritesOptions } from '../ownWrites.ts'
import { ALLOCATED_LABELS, isOfServices } from './allocatedAddress.ts'
import type { Service } from '../../../api/kinds/core/v1.ts'
import type { IPAddress } from '../../../api/kinds/networking/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { Logger } from '../../../base/logger.ts'
import type { WatchCache } from '../../cache/watchCache.ts'
import type { StoredKind } from '../kind.ts'
import type { Kinds } from '../kinds.ts'
import type { StrategyContext } from '../strategy.ts'

const FAMILY_LABEL = 'ipaddress.kubernetes.io/ip-family'
/** An address without its Service that is older was left by a server that died; a younger one may be on its way. */
const ABANDONED_MS = 60_000

export interface IpAddressesOptions extends OwnWritesOptions {
  kinds: Kinds
  log: Logger
}

function addressesOf(service: Service | undefined): string[] {
  return (service?.spec?.clusterIPs ?? []).filter((address) => address !== 'None' && address !== '')
}

/** Follows the Services of the cache until the result is called, which answers when nothing is being written any more. */
export function followServices(cache: WatchCache, options: IpAddressesOptions): () => Promise<void> {
  const { kinds, objects, log } = options
  const kind = kinds.named('networking.k8s.io', 'ipaddresses') as StoredKind
  const writing = new Map<string, Promise<void>>()
  const context = (): StrategyContext => ownWriteContext(options)
  const at = (name: string): { namespace: string; name: string } => ({ namespace: '', name })

  async function take(address: string, { name, namespace = '' }: Service['metadata']): Promise<void> {
    const parentRef = { resource: 'services', namespace, name }
    const object = {
      kind: 'IPAddress',
      apiVersion: 'networking.k8s.io/v1',
      metadata: { name: address, labels: { [FAMILY_LABEL]: familyOf(address).name, ...ALLOCATED_LABELS } },
      spec: { parentRef },
    }
    const existing = objects.find(kind, '', address)?.object as IPAddress | undefined
    const parent = existing?.spec?.parentRef
    if (parent?.name === name && parent.namespace === namespace) return
    if (existing) await objects.delete(kind, at(address), { dryRun: false, preconditions: {} }, context(), async () => {})
    await objects.create(kind, object as unknown as KubeObject, context(), async () => {})
  }

  async function letGo(address: string, { name, namespace = '' }: Service['metadata']): Promise<void> {
    const existing = objects.find(kind, '', address)?.object as IPAddress | undefined
    const parent = existing?.spec?.parentRef
    if (parent?.name !== name || parent.namespace !== namespace) return
    await objects.delete(kind, at(address), { dryRun: false, preconditions: {} }, context(), async () => {})
  }

  function enqueue(address: string, work: () => Promise<void>): void {
    const next = (writing.get(address) ?? Promise.resolve()).then(work).catch((error: unknown) => {
      if (!isAlreadyExists(error) && !isNotFound(error)) log.warn('an IPAddress could not be written', { address, error })
    })
    writing.set(address, next)
    void next.finally(() => {
      if (writing.get(address) === next) writing.delete(address)
    })
  }

  const holders = new Map<string, Service['metadata']>()
  const stopServices = cache.onChange(prefixOf(serviceResource, false), ({ before, after }) => {
    const [had, has] = [addressesOf(before as Service | undefined), addressesOf(after as Service | undefined)]
    for (const address of had) {
      if (has.includes(address)) continue
      const { metadata } = before as Service
      if (holders.get(address)?.uid === metadata.uid) holders.delete(address)
      enqueue(address, () => letGo(address, metadata))
    }
    for (const address of has) {
      const { metadata } = after as Service
      holders.set(address, metadata)
      if (!had.includes(address)) enqueue(address, () => take(address, metadata))
    }
  })
  const stopAddresses = cache.onChange(prefixOf(addressResource, false), ({ before, after }) => {
    const address = (after ?? before) as IPAddress
    const { name, creationTimestamp } = address.metadata
    if (!isOfServices(address)) return
    const holder = holders.get(name)
    if (!after) {
      if (holder) enqueue(name, async () => void (holders.get(name) === holder && (await take(name, holder))))
      return
    }
    const { parentRef } = address.spec
    const isAbandoned = !holder && Date.parse(objects.now()) - Date.parse(creationTimestamp) > ABANDONED_MS
    if (isAbandoned) enqueue(name, () => letGo(name, { ...address.metadata, name: parentRef.name, namespace: parentRef.namespace ?? '' }))
  })
  return async () => {
    stopServices()
    stopAddresses()
    await Promise.all(writing.values())
  }
}
