/**
 * The network without a cluster: how long the kernel takes for the rules of 5,000 Services with 10 endpoints each and for one change
 * among them (in a network namespace of its own; as root, with nft), and how many questions a second cluster DNS answers beside a bare
 * socket that only echoes them.
 */
import { fork } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { decode, encode } from 'dns-packet'
import type { Service } from '../../src/api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../src/api/kinds/discovery/v1.ts'
import { systemClock } from '../../src/base/clock.ts'
import { run } from '../../src/base/exec.ts'
import { IPV4 } from '../../src/base/ipFamily.ts'
import { createHandler } from '../../src/dns/dns.ts'
import { Forwarder } from '../../src/dns/forwarder.ts'
import { ClusterZone } from '../../src/dns/records.ts'
import { serveDns } from '../../src/dns/server.ts'
import { serviceRules } from '../../src/proxy/serviceRules.ts'
import { ServiceTable } from '../../src/proxy/serviceTable.ts'
import { figures, report, reportOnce } from './figures.ts'

const SERVICES = 5_000
const ENDPOINTS = 10
const CHANGES = 40
const ASKING_MS = 5_000
/** Questions on their way at once. */
const ASKED_AT_ONCE = 64
const NETNS = `minicube-bench-${process.pid}`
const META = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', namespace: 'default' }
const MIB = 1024 * 1024

function serviceAt(i: number): Service {
  const clusterIP = `10.96.${1 + (i >> 8)}.${i & 255}`
  const spec = { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }
  return { metadata: { ...META, name: `web-${i}` }, spec }
}

function sliceOf(i: number, endpoints: number): EndpointSlice {
  return {
    metadata: { ...META, name: `web-${i}`, labels: { 'kubernetes.io/service-name': `web-${i}` } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, n) => ({ addresses: [`10.${128 + (i >> 8)}.${i & 255}.${n + 1}`], nodeName: 'node' })),
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

async function benchRules(): Promise<void> {
  const context = { nodeName: 'node', podCidrs: ['10.128.0.0/9'], family: IPV4 }
  const rulesOf = (i: number, endpoints: number) => serviceRules(serviceAt(i), [sliceOf(i, endpoints)], context)
  const change = (table: ServiceTable, i: number, endpoints: number): string =>
    table.change(new Map([[`default/web-${i}`, rulesOf(i, endpoints)]]))
  const apply = (script: string): Promise<unknown> => run('ip', ['netns', 'exec', NETNS, 'nft', '-f', '-'], { input: script })
  await run('ip', ['netns', 'add', NETNS], {})
  try {
    globalThis.gc?.()
    const beforeBytes = process.memoryUsage().heapUsed
    const table = new ServiceTable(IPV4)
    let script = ''
    const computedMs = await timed(async () => {
      script = table.change(new Map(Array.from({ length: SERVICES }, (_, i) => [`default/web-${i}`, rulesOf(i, ENDPOINTS)])))
    })
    reportOnce(`rules of ${SERVICES} services with ${ENDPOINTS} endpoints, computed`, computedMs)
    reportOnce('… in the kernel', await timed(() => apply(script)))
    const scriptBytes = script.length
    script = ''
    globalThis.gc?.()
    const heldMib = (process.memoryUsage().heapUsed - beforeBytes) / MIB
    console.log(`${'… held in memory; the script'.padEnd(52)} ${heldMib.toFixed(0)} MiB; ${(scriptBytes / MIB).toFixed(1)} MiB`)
    const times: number[] = []
    for (let n = 0; n < CHANGES; n++) times.push(await timed(() => apply(change(table, n * 100, n % 2 ? ENDPOINTS : ENDPOINTS - 1))))
    report('one service changes', figures(times))
    const alone: number[] = []
    for (let n = 0; n < CHANGES; n++) alone.push(await timed(() => apply('')))
    report('… the nft program alone', figures(alone))
  } finally {
    await run('ip', ['netns', 'del', NETNS], {})
  }
}

/** What runs in a process of its own: cluster DNS, or the bare socket. It tells its port, and when it is asked the time that it took. */
async function serve(isBare: boolean): Promise<void> {
  const before = process.cpuUsage()
  process.once('message', () => {
    const { user, system } = process.cpuUsage(before)
    process.send?.(user + system)
  })
  if (isBare) {
    const socket = createSocket('udp4')
    socket.on('message', (message, { port, address }) => socket.send(message, port, address))
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    process.send?.(socket.address().port)
    return
  }
  const zone = new ClusterZone('cluster.local', {
    service: (key) => (key.startsWith('default/web-') ? serviceAt(Number(key.slice('default/web-'.length))) : undefined),
    slicesOf: () => [],
    hasNamespace: () => true,
    serviceAt: () => undefined,
    slicesAt: () => [],
  })
  const forwarder = new Forwarder({ nameServers: async () => [], clock: systemClock })
  const { port } = await serveDns({ host: '127.0.0.1', port: 0 }, createHandler(zone, {}, forwarder, new AbortController().signal))
  process.send?.(port)
}

function ask(socket: Socket, port: number, id: number): void {
  const questions = [{ name: `web-${id % SERVICES}.default.svc.cluster.local`, type: 'A' as const }]
  socket.send(encode({ type: 'query', id, flags: 0x0100, questions }), port, '127.0.0.1')
}

async function benchQuestions(what: string, isBare: boolean): Promise<void> {
  const server = fork(fileURLToPath(import.meta.url), [isBare ? 'bare' : 'dns'])
  const [port] = (await once(server, 'message')) as [number]
  const socket = createSocket('udp4')
  let answered = 0
  let next = 0
  socket.on('message', (message) => {
    answered++
    if (answered === 1 && !isBare && decode(message).answers?.length !== 1) throw new Error('cluster DNS gives no answer')
    ask(socket, port, next++ & 0xffff)
  })
  const startedMs = performance.now()
  for (; next < ASKED_AT_ONCE; next++) ask(socket, port, next)
  await systemClock.sleep(ASKING_MS, new AbortController().signal)
  const perSecond = (answered * 1000) / (performance.now() - startedMs)
  server.send('how long?')
  const [tookUs] = (await once(server, 'message')) as [number]
  console.log(`${what.padEnd(52)} ${Math.round(perSecond)} a second, ${Math.round(tookUs / answered)} µs of a processor each`)
  socket.close()
  server.kill()
}

const [, , part] = process.argv
if (part === undefined) {
  await benchRules()
  await benchQuestions('questions that cluster DNS answers', false)
  await benchQuestions('… that a bare socket echoes', true)
} else {
  await serve(part === 'bare')
}
