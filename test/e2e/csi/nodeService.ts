/**
 * The node's side of a storage driver (csi.v1.Identity and csi.v1.Node, with its registration), which runs as a program of its
 * own on the node: a volume is a directory of the node, staged and published by bind mounts; a block volume is a loop device.
 * Every call is a line in `calls.jsonl`; `faults.json` says which methods fail, and which answer late.
 *
 *     node nodeService.mjs DRIVER NODE FOLDER PLUGINS_REGISTRY
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serveGrpc, type Method } from '../../../src/kubelet/grpc/server.ts'
import { RpcError } from '../../../src/kubelet/grpc/socket.ts'
import type { Decoded, Message } from '../../../src/kubelet/grpc/wire.ts'

const [driver = '', nodeId = '', folder = '', registry = ''] = process.argv.slice(2)
const CAPABILITIES = [1, 2, 3]
const VOLUMES = join(folder, 'volumes')
const SOCKET = join(folder, 'csi.sock')

interface Fault {
  code?: number
  message?: string
  delayMs?: number
}

const run = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8' }).trim()
const isMounted = (path: string): boolean => readFileSync('/proc/self/mounts', 'utf8').includes(` ${path} `)
const faults = (): Record<string, Fault | undefined> => {
  const path = join(folder, 'faults.json')
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, Fault>) : {}
}

function volume(id: string): string {
  const path = join(VOLUMES, id)
  mkdirSync(path, { recursive: true })
  return path
}

/** The loop device behind a block volume. */
function device(id: string): string {
  const file = join(VOLUMES, `${id}.img`)
  if (!existsSync(file)) {
    writeFileSync(file, '')
    run('truncate', '-s', '8M', file)
  }
  const [known] = run('losetup', '-n', '-O', 'NAME', '-j', file).split('\n')
  if (known) return known
  if (!existsSync('/dev/loop-control')) run('mknod', '/dev/loop-control', 'c', '10', '237')
  const free = run('losetup', '-f')
  if (!existsSync(free)) run('mknod', free, 'b', '7', free.replace(/\D/g, ''))
  run('losetup', free, file)
  return free
}

function bind(from: string, to: string, readOnly: boolean): void {
  mkdirSync(to, { recursive: true })
  if (isMounted(to)) return
  run('mount', '--bind', from, to)
  if (readOnly) run('mount', '-o', 'remount,bind,ro', to)
}

function unmount(path: string): void {
  if (isMounted(path)) run('umount', path)
  rmSync(path, { recursive: true, force: true })
}

/** Of a VolumeCapability: it is wanted as a device. */
const isBlock = (capability: Decoded | undefined): boolean => (capability?.messages(1).length ?? 0) > 0

const METHODS: Record<string, (request: Decoded) => Message> = {
  '/csi.v1.Identity/GetPluginInfo': () => ({ 1: driver, 2: '1.0.0' }),
  '/csi.v1.Identity/Probe': () => ({}),
  '/csi.v1.Node/NodeGetInfo': () => ({ 1: nodeId, 2: 4, 3: { 1: new Map([[`${driver}/node`, nodeId]]) } }),
  '/csi.v1.Node/NodeGetCapabilities': () => ({ 1: CAPABILITIES.map((rpc) => ({ 1: { 1: rpc } })) }),
  '/csi.v1.Node/NodeStageVolume': (request) => {
    if (!isBlock(request.messages(4)[0])) bind(volume(request.text(1)), request.text(3), false)
    return {}
  },
  '/csi.v1.Node/NodeUnstageVolume': (request) => {
    unmount(request.text(2))
    return {}
  },
  '/csi.v1.Node/NodePublishVolume': (request) => {
    const [id, staged, target] = [request.text(1), request.text(3), request.text(4)]
    if (!isBlock(request.messages(5)[0])) bind(staged || volume(id), target, request.number(6) === 1)
    else if (!isMounted(target)) {
      writeFileSync(target, '')
      run('mount', '--bind', device(id), target)
    }
    return {}
  },
  '/csi.v1.Node/NodeUnpublishVolume': (request) => {
    unmount(request.text(2))
    const file = join(VOLUMES, `${request.text(1)}.img`)
    if (existsSync(file))
      for (const name of run('losetup', '-n', '-O', 'NAME', '-j', file).split('\n')) if (name) run('losetup', '-d', name)
    return {}
  },
  '/csi.v1.Node/NodeExpandVolume': (request) => ({ 1: request.messages(3)[0]?.number(1) ?? 0 }),
  '/csi.v1.Node/NodeGetVolumeStats': (request) => {
    const { bavail, blocks, bsize, bfree } = statfsSync(request.text(2))
    return { 1: [{ 1: bavail * bsize, 2: blocks * bsize, 3: (blocks - bfree) * bsize, 4: 1 }] }
  },
}

/** What a test may want to know of a call. */
function noted(method: string, request: Decoded): object {
  const at = { NodeStageVolume: [2, 6, 5], NodePublishVolume: [2, 8, 7] }[method]
  const [context, attributes, secrets] = (at ?? []).map((field) => Object.fromEntries(request.map(field)))
  const capability = request.messages(method === 'NodeStageVolume' ? 4 : 5)[0]
  const access = at && capability?.messages(3)[0]?.number(1)
  return { method, volume: at ? request.text(1) : undefined, context, attributes, secrets, access, block: at && isBlock(capability) }
}

const observed =
  (path: string, answer: (request: Decoded) => Message): Method =>
  async (request) => {
    const method = path.split('/').at(-1) ?? ''
    appendFileSync(join(folder, 'calls.jsonl'), `${JSON.stringify(noted(method, request))}\n`)
    const { delayMs = 0, code, message = 'as told' } = faults()[method] ?? {}
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
    if (code !== undefined) throw new RpcError(code, message)
    return answer(request)
  }

mkdirSync(VOLUMES, { recursive: true })
await serveGrpc(SOCKET, Object.fromEntries(Object.entries(METHODS).map(([path, answer]) => [path, observed(path, answer)])))
const announced = join(registry, `${driver}-reg.sock`)
await serveGrpc(announced, {
  '/pluginregistration.Registration/GetInfo': async () => ({ 1: 'CSIPlugin', 2: driver, 3: SOCKET, 4: ['1.0.0'] }),
  '/pluginregistration.Registration/NotifyRegistrationStatus': async () => ({}),
})
process.on('SIGTERM', () => {
  rmSync(announced, { force: true })
  process.exit(0)
})
