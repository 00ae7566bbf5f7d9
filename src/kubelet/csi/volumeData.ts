/** Where the volumes of storage drivers are on the node, and what is kept beside each so that a kubelet that starts anew can take it away. */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { podDirectories, podsDirectory } from '../pods/podDirectories.ts'

/** What vol_data.json keeps, in upstream's names. */
export interface VolumeData {
  driverName: string
  volumeHandle: string
  /** Empty where nothing is staged. */
  stagingPath: string
}

const DATA_FILE = 'vol_data.json'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

const volumesOf = (rootDir: string, podUid: string): string => join(podDirectories(rootDir, podUid).volumes, 'kubernetes.io~csi')

/** Where a pod's volume, by its name in the spec, is published. */
export function targetOf(rootDir: string, podUid: string, name: string): string {
  return join(volumesOf(rootDir, podUid), name, 'mount')
}

export function stagingPathOf(rootDir: string, driver: string, volumeHandle: string, block: boolean): string {
  return join(rootDir, 'plugins/kubernetes.io/csi', driver, sha256(volumeHandle), block ? 'device' : 'globalmount')
}

export async function keepData(target: string, data: VolumeData): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o750 })
  await writeFile(join(dirname(target), DATA_FILE), JSON.stringify(data), { mode: 0o600 })
}

export async function forgetData(target: string): Promise<void> {
  await rm(join(dirname(target), DATA_FILE), { force: true })
}

/** Undefined where no driver has brought anything. */
export async function dataOf(target: string): Promise<VolumeData | undefined> {
  const text = await readFile(join(dirname(target), DATA_FILE), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as VolumeData)
}

export interface KeptVolume {
  target: string
  data: VolumeData
}

/** What drivers have brought to a pod. */
export async function keptOfPod(rootDir: string, podUid: string): Promise<KeptVolume[]> {
  const kept: KeptVolume[] = []
  for (const name of await readdir(volumesOf(rootDir, podUid)).catch(() => [])) {
    const target = targetOf(rootDir, podUid, name)
    const data = await dataOf(target)
    if (data) kept.push({ target, data })
  }
  return kept
}

/** Of all pods of the node. */
export async function keptOfNode(rootDir: string): Promise<VolumeData[]> {
  const all: VolumeData[] = []
  for (const uid of await readdir(podsDirectory(rootDir)).catch(() => []))
    for (const { data } of await keptOfPod(rootDir, uid)) all.push(data)
  return all
}
