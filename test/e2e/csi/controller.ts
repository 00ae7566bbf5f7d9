/**
 * The controller's side of a storage driver: what provisioner, attacher, resizer and modifier beside real drivers do, through
 * the API alone and one step after the other. Objects are looked at again and again; nothing is kept here.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { PersistentVolume, PersistentVolumeClaim } from '../../../src/api/kinds/core/v1.ts'
import type { VolumeAttachment } from '../../../src/api/kinds/storage/v1.ts'
import type { Cluster } from '../minicube.ts'

const LOOK_EVERY_MS = 100
const CORE = '/api/v1'
const STORAGE = '/apis/storage.k8s.io/v1'
const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const PROVISIONER = 'volume.kubernetes.io/storage-provisioner'

export class CsiController {
  readonly #driver: string
  readonly #proxy: ChildProcess
  readonly #url: string
  readonly failures: string[] = []
  /** Attachments are left alone while this is set. */
  attacherIsDown = false
  #isOver = false
  readonly #running: Promise<void>

  private constructor(driver: string, proxy: ChildProcess, url: string) {
    this.#driver = driver
    this.#proxy = proxy
    this.#url = url
    this.#running = this.#run()
  }

  static async start(cluster: Cluster, driver: string): Promise<CsiController> {
    const proxy = await cluster.spawnKubectl(['proxy', '--port=0'])
    if (!proxy.stdout) throw new Error('kubectl proxy says nothing')
    const [line] = (await once(proxy.stdout, 'data')) as [Buffer]
    const address = /[\d.]+:\d+/.exec(line.toString())?.[0]
    return new CsiController(driver, proxy, `http://${address}`)
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#running
    this.#proxy.kill()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      for (const step of [() => this.#attach(), () => this.#provision(), () => this.#resize(), () => this.#reclaim()])
        await step().catch((error: unknown) => this.failures.push(String(error)))
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const response = await fetch(this.#url + path, {
      method,
      headers: { 'content-type': type },
      ...(body && { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }

  async #list<T>(path: string): Promise<T[]> {
    return (await this.#ask<{ items: T[] }>('GET', path)).items
  }

  async #attach(): Promise<void> {
    if (this.attacherIsDown) return
    for (const { metadata, spec, status } of await this.#list<VolumeAttachment>(`${STORAGE}/volumeattachments`)) {
      const path = `${STORAGE}/volumeattachments/${metadata.name}`
      if (spec.attacher !== this.#driver) continue
      if (metadata.deletionTimestamp) await this.#ask('PATCH', path, { metadata: { finalizers: null } })
      else if (!status?.attached) {
        await this.#ask('PATCH', path, { metadata: { finalizers: [`external-attacher/${this.#driver}`] } })
        await this.#ask('PATCH', `${path}/status`, { status: { attached: true, attachmentMetadata: { lun: '7' } } })
      }
    }
  }

  async #provision(): Promise<void> {
    for (const claim of await this.#list<PersistentVolumeClaim>(`${CORE}/persistentvolumeclaims`)) {
      const { name, namespace, uid, annotations = {} } = claim.metadata
      const node = annotations[SELECTED_NODE]
      if (claim.spec.volumeName || annotations[PROVISIONER] !== this.#driver || node === undefined) continue
      const volume = {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name: `pvc-${uid}`, annotations: { 'pv.kubernetes.io/provisioned-by': this.#driver } },
        spec: {
          capacity: claim.spec.resources?.requests,
          accessModes: claim.spec.accessModes,
          volumeMode: claim.spec.volumeMode,
          persistentVolumeReclaimPolicy: 'Delete',
          storageClassName: claim.spec.storageClassName,
          claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid },
          csi: { driver: this.#driver, volumeHandle: `vol-${uid}`, fsType: 'ext4', volumeAttributes: { tier: 'slow' } },
          nodeAffinity: {
            required: { nodeSelectorTerms: [{ matchExpressions: [{ key: `${this.#driver}/node`, operator: 'In', values: [node] }] }] },
          },
        },
      }
      await this.#ask('POST', `${CORE}/persistentvolumes`, volume).catch((error: unknown) => {
        if (!String(error).includes('already exists')) throw error
      })
    }
  }

  /** The volume itself grows at once; the rest is the node's. */
  async #resize(): Promise<void> {
    const volumes = new Map((await this.#list<PersistentVolume>(`${CORE}/persistentvolumes`)).map((one) => [one.metadata.name, one]))
    for (const { metadata, spec, status } of await this.#list<PersistentVolumeClaim>(`${CORE}/persistentvolumeclaims`)) {
      const volume = volumes.get(spec.volumeName ?? '')
      const wanted = spec.resources?.requests?.['storage']
      if (volume?.spec.csi?.driver !== this.#driver || status?.phase !== 'Bound' || volume.spec.capacity?.['storage'] === wanted) continue
      await this.#ask('PATCH', `${CORE}/persistentvolumes/${volume.metadata.name}`, { spec: { capacity: { storage: wanted } } })
      const conditions = [{ type: 'FileSystemResizePending', status: 'True', lastTransitionTime: new Date().toISOString() }]
      const path = `${CORE}/namespaces/${metadata.namespace}/persistentvolumeclaims/${metadata.name}/status`
      await this.#ask('PATCH', path, { status: { conditions } })
    }
  }

  /** Never before it is detached. */
  async #reclaim(): Promise<void> {
    const attached = (await this.#list<VolumeAttachment>(`${STORAGE}/volumeattachments`)).map(
      ({ spec }) => spec.source.persistentVolumeName,
    )
    for (const { metadata, spec, status } of await this.#list<PersistentVolume>(`${CORE}/persistentvolumes`)) {
      if (spec.csi?.driver !== this.#driver || status?.phase !== 'Released' || attached.includes(metadata.name)) continue
      if (!metadata.deletionTimestamp) await this.#ask('DELETE', `${CORE}/persistentvolumes/${metadata.name}`)
    }
  }
}
