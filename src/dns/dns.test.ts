import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { decode, encode, type Packet } from 'dns-packet'
import { FakeClock, systemClock } from '../base/clock.ts'
import type { Service } from '../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import { createHandler } from './dns.ts'
import { Forwarder, framed, parseNameServers } from './forwarder.ts'
import { ClusterZone, type ClusterView, type RecordType } from './records.ts'
import { DnsMetrics } from './dnsMetrics.ts'
import { serveDns } from './server.ts'

const META = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', namespace: 'default' }

const SERVICES: Record<string, Service> = {
  'default/web': {
    metadata: { ...META, name: 'web' },
    spec: { clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  },
  'default/dual': {
    metadata: { ...META, name: 'dual' },
    spec: { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20', 'fd00:10:96::20'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  },
  'default/db': {
    metadata: { ...META, name: 'db' },
    spec: { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] },
  },
  'default/far': { metadata: { ...META, name: 'far' }, spec: { type: 'ExternalName', externalName: 'out.default.svc.cluster.local' } },
  'default/circle': {
    metadata: { ...META, name: 'circle' },
    spec: { type: 'ExternalName', externalName: 'circle.default.svc.cluster.local' },
  },
  'kube-system/kube-dns': {
    metadata: { ...META, name: 'kube-dns', namespace: 'kube-system' },
    spec: { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] },
  },
  'default/out': { metadata: { ...META, name: 'out' }, spec: { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' } },
}

const DB: EndpointSlice = {
  metadata: { ...META, name: 'db-1', labels: { 'kubernetes.io/service-name': 'db' } },
  addressType: 'IPv4',
  ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
  endpoints: [
    { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.244.0.6'], conditions: { ready: true } },
    { addresses: ['10.244.0.7'], hostname: 'db-2', conditions: { ready: false } },
  ],
}

const DB_V6: EndpointSlice = {
  ...DB,
  metadata: { ...DB.metadata, name: 'db-2' },
  addressType: 'IPv6',
  endpoints: [{ addresses: ['fd00:10:244::5'], hostname: 'db-0', conditions: { ready: true } }],
}
const WEB: EndpointSlice = {
  ...DB,
  metadata: { ...DB.metadata, name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
  endpoints: [{ addresses: ['10.244.0.8'] }],
}
const SLICES = [DB, DB_V6, WEB]

const view: ClusterView = {
  service: (key) => SERVICES[key],
  slicesOf: (key) => SLICES.filter(({ metadata }) => key === `default/${metadata.labels?.['kubernetes.io/service-name']}`),
  hasNamespace: (name) => name === 'default',
  serviceAt: (ip) => Object.values(SERVICES).find((s) => s.spec.clusterIPs?.includes(ip)),
  slicesAt: (ip) => SLICES.filter(({ endpoints }) => endpoints?.some((e) => e.addresses.includes(ip))),
}
const zone = new ClusterZone('cluster.local', view)

function shown(name: string, type: RecordType): string {
  const answer = zone.answer(name, type)
  if (answer.outcome !== 'found') return answer.outcome
  return answer.records
    .map((r) => (r.type === 'SRV' ? `SRV ${r.data.port} ${r.data.target}` : `${r.type} ${r.type === 'SOA' ? r.data.mname : r.data}`))
    .join(', ')
}

const CASES: readonly (readonly [name: string, type: RecordType, answer: string])[] = [
  ['web.default.svc.cluster.local', 'A', 'A 10.96.0.9'],
  ['web.default.svc.cluster.local', 'AAAA', 'noData'],
  ['web.default.svc.cluster.local', 'SRV', 'SRV 80 web.default.svc.cluster.local'],
  ['_http._tcp.web.default.svc.cluster.local', 'SRV', 'SRV 80 web.default.svc.cluster.local'],
  ['_http._udp.web.default.svc.cluster.local', 'SRV', 'noName'],
  ['dual.default.svc.cluster.local', 'A', 'A 10.96.0.20'],
  ['dual.default.svc.cluster.local', 'AAAA', 'AAAA fd00:10:96::20'],
  ['_http._tcp.dual.default.svc.cluster.local', 'SRV', 'SRV 80 dual.default.svc.cluster.local'],
  ['db.default.svc.cluster.local', 'AAAA', 'AAAA fd00:10:244::5'],
  ['db-0.db.default.svc.cluster.local', 'AAAA', 'AAAA fd00:10:244::5'],
  ['fd00-10-244--5.default.pod.cluster.local', 'AAAA', 'AAAA fd00:10:244::5'],
  ['fd00-10-244--5.default.pod.cluster.local', 'A', 'noData'],
  [`${'0.2.0.0.'.concat('0.0.0.0.'.repeat(4), '6.9.0.0.0.1.0.0.0.0.d.f')}.ip6.arpa`, 'PTR', 'PTR dual.default.svc.cluster.local'],
  [`${'5.0.0.0.'.concat('0.0.0.0.'.repeat(4), '4.4.2.0.0.1.0.0.0.0.d.f')}.ip6.arpa`, 'PTR', 'PTR db-0.db.default.svc.cluster.local'],
  ['d.f.ip6.arpa', 'PTR', 'none'],
  ['nothing.default.svc.cluster.local', 'A', 'noName'],
  ['web.elsewhere.svc.cluster.local', 'A', 'noName'],
  ['default.svc.cluster.local', 'A', 'noData'],
  ['svc.cluster.local', 'A', 'noData'],
  ['x.web.default.svc.cluster.local', 'A', 'noName'],
  ['10-244-0-8.web.default.svc.cluster.local', 'A', 'A 10.244.0.8'],
  ['8.0.244.10.in-addr.arpa', 'PTR', 'PTR 10-244-0-8.web.default.svc.cluster.local'],
  ['7.0.244.10.in-addr.arpa', 'PTR', 'none'],
  ['db.default.svc.cluster.local', 'A', 'A 10.244.0.5, A 10.244.0.6'],
  ['db-0.db.default.svc.cluster.local', 'A', 'A 10.244.0.5'],
  ['10-244-0-6.db.default.svc.cluster.local', 'A', 'A 10.244.0.6'],
  ['db-2.db.default.svc.cluster.local', 'A', 'noName'],
  [
    '_sql._tcp.db.default.svc.cluster.local',
    'SRV',
    'SRV 5432 db-0.db.default.svc.cluster.local, SRV 5432 10-244-0-6.db.default.svc.cluster.local',
  ],
  ['out.default.svc.cluster.local', 'A', 'CNAME web.default.svc.cluster.local'],
  ['10-244-0-5.default.pod.cluster.local', 'A', 'A 10.244.0.5'],
  ['10-244-0-500.default.pod.cluster.local', 'A', 'noName'],
  ['dns-version.cluster.local', 'TXT', 'TXT 1.1.0'],
  ['9.0.96.10.in-addr.arpa', 'PTR', 'PTR web.default.svc.cluster.local'],
  ['5.0.244.10.in-addr.arpa', 'PTR', 'PTR db-0.db.default.svc.cluster.local'],
  ['1.1.1.1.in-addr.arpa', 'PTR', 'none'],
  ['example.com', 'A', 'none'],
  ['cluster.local', 'SOA', 'SOA ns.dns.cluster.local'],
  ['cluster.local', 'NS', 'NS ns.dns.cluster.local'],
  ['cluster.local', 'A', 'noData'],
  ['ns.dns.cluster.local', 'A', 'A 10.96.0.10'],
  ['ns.dns.cluster.local', 'AAAA', 'noData'],
  ['dns.cluster.local', 'A', 'noData'],
  ['pod.cluster.local', 'A', 'noData'],
  ['default.pod.cluster.local', 'A', 'noData'],
  ['elsewhere.pod.cluster.local', 'A', 'noName'],
]

for (const [name, type, answer] of CASES) test(`${type} ${name}`, () => assert.equal(shown(name, type), answer))

test('an address stands beside SRV records once, however many ports lead to it', () => {
  const service = { ...SERVICES['default/web'] } as Service
  const ports = ['http', 'https'].map((name, i) => ({ name, port: 80 + i, protocol: 'TCP' }))
  const several = new ClusterZone('cluster.local', { ...view, service: () => ({ ...service, spec: { ...service.spec, ports } }) })
  const answer = several.answer('web.default.svc.cluster.local', 'SRV')
  assert.ok(answer.outcome === 'found')
  assert.deepEqual([answer.records.length, answer.additional.length], [2, 1])
})

test('name servers are read from resolv.conf', () => {
  assert.deepEqual(parseNameServers('# x\nnameserver 10.0.0.1\nsearch a\n  nameserver fd00::1\n'), [
    { host: '10.0.0.1' },
    { host: 'fd00::1' },
  ])
})

async function udpAsk(port: number, name: string, type: 'A' | 'TXT'): Promise<Packet & { rcode?: string; flag_tc?: boolean }> {
  const socket = createSocket('udp4')
  socket.send(encode({ type: 'query', id: 7, flags: 0x0100, questions: [{ name, type }] }), port, '127.0.0.1')
  const [message] = (await once(socket, 'message')) as [Buffer]
  socket.close()
  return decode(message)
}

test('the server answers over UDP, forwards, caches, and truncates what does not fit', async () => {
  const abort = new AbortController()
  let forwarded = 0
  const metrics = new DnsMetrics('n')
  const upstream = await serveDns({ host: '127.0.0.1', port: 0 }, async ({ name }) => {
    forwarded++
    const answers = Array.from({ length: name.startsWith('big') ? 60 : 1 }, (_, i) => ({
      type: 'A' as const,
      name,
      ttl: 60,
      data: `192.0.2.${i}`,
    }))
    return { rcode: 'NOERROR', authoritative: true, answers }
  })
  const forwarder = new Forwarder({ nameServers: async () => [{ host: '127.0.0.1', port: upstream.port }], clock: systemClock, metrics })
  const server = await serveDns(
    { host: '127.0.0.1', port: 0 },
    createHandler(zone, { 'host.minicube.internal': '172.20.0.1' }, forwarder, abort.signal),
    metrics,
  )
  try {
    assert.deepEqual(
      (await udpAsk(server.port, 'WEB.default.svc.cluster.local', 'A')).answers?.map((a) => 'data' in a && a.data),
      ['10.96.0.9'],
    )
    assert.equal((await udpAsk(server.port, 'nothing.default.svc.cluster.local', 'A')).rcode, 'NXDOMAIN')
    assert.equal((await udpAsk(server.port, 'host.minicube.internal', 'A')).answers?.length, 1)
    const external = await udpAsk(server.port, 'out.default.svc.cluster.local', 'A')
    assert.deepEqual(
      external.answers?.map((a) => a.type),
      ['CNAME', 'A'],
    )
    for (let i = 0; i < 3; i++) assert.equal((await udpAsk(server.port, 'example.org', 'A')).answers?.length, 1)
    assert.equal(forwarded, 1)

    const big = await udpAsk(server.port, 'big.example.org', 'A')
    assert.equal(big.flag_tc, true)
    const socket = connect(server.port, '127.0.0.1')
    socket.write(framed(encode({ type: 'query', id: 8, questions: [{ name: 'big.example.org', type: 'A' }] })))
    let received = Buffer.alloc(0)
    while (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      received = Buffer.concat([received, chunk])
    }
    socket.destroy()
    assert.equal(decode(received.subarray(2)).answers?.length, 60)

    const told = (await metrics.component.registry.metrics()).split('\n')
    const count = (start: string): number =>
      Number(
        told
          .find((line) => line.startsWith(`coredns_${start}`))
          ?.split(' ')
          .at(-1),
      )
    const block = 'server="dns://:53",zone=".",view=""'
    assert.equal(count(`dns_requests_total{${block},proto="udp",family="1",type="A"}`), 8)
    assert.equal(count(`dns_responses_total{${block},rcode="NXDOMAIN"}`), 1)
    assert.equal(count('cache_hits_total{server="dns://:53",zones=".",view="",type="success"}'), 3)
    assert.equal(count('cache_entries{server="dns://:53",zones=".",view="",type="success"}'), 2)
    assert.equal(count(`proxy_request_duration_seconds_count{proxy_name="forward",to="127.0.0.1:${upstream.port}",rcode="NOERROR"}`), 2)
    assert.equal(count(`dns_request_duration_seconds_count{${block}}`), 9)
  } finally {
    abort.abort()
    server.close()
    upstream.close()
  }
})

test('an answer to another question is none, and does not hide the one that follows', async () => {
  const upstream = createSocket('udp4')
  upstream.on('message', (message, { port }) => {
    const query = decode(message)
    const { id = 0, questions = [] } = query
    const send = (answer: { id: number; questions: typeof questions }, data: string): void =>
      upstream.send(
        encode({ type: 'response', answers: [{ type: 'A', name: 'example.org', ttl: 60, data }], ...answer }),
        port,
        '127.0.0.1',
      )
    send({ id, questions: [{ name: 'forged.example', type: 'A' }] }, '192.0.2.66')
    send({ id: id ^ 1, questions }, '192.0.2.66')
    upstream.send(Buffer.from('no answer'), port, '127.0.0.1')
    send({ id, questions }, '192.0.2.1')
  })
  upstream.bind(0, '127.0.0.1')
  await once(upstream, 'listening')
  const forwarder = new Forwarder({ nameServers: async () => [{ host: '127.0.0.1', port: upstream.address().port }], clock: systemClock })
  try {
    const { signal } = new AbortController()
    const packet = await forwarder.ask({ name: 'example.org', type: 'A' }, signal)
    assert.deepEqual(
      packet?.answers?.map((one) => 'data' in one && one.data),
      ['192.0.2.1'],
    )
  } finally {
    upstream.close()
  }
})

const ANSWER = { type: 'A' as const, name: 'example.org', ttl: 20, data: '192.0.2.1' }
const SOA = {
  type: 'SOA' as const,
  name: 'example.org',
  ttl: 60,
  data: { mname: 'a.example.org', rname: 'b.example.org', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 15 },
}

test('an external name is followed through others like it, and not for ever', async () => {
  const forwarder = new Forwarder({ nameServers: async () => [], clock: systemClock })
  const handler = createHandler(zone, {}, forwarder, new AbortController().signal)
  const types = async (name: string): Promise<string[]> => (await handler({ name, type: 'A' })).answers.map(({ type }) => type)
  assert.deepEqual(await types('far.default.svc.cluster.local'), ['CNAME', 'CNAME', 'A'])
  assert.equal((await types('circle.default.svc.cluster.local')).length, 9)
})

test('what does not exist is remembered, too; what is told from memory ages; failures are asked again', async () => {
  const asked: string[] = []
  const upstream = await serveDns({ host: '127.0.0.1', port: 0 }, async ({ name }) => {
    asked.push(name)
    if (name.startsWith('broken')) return { rcode: 'SERVFAIL', authoritative: false, answers: [] }
    if (name.startsWith('no')) return { rcode: 'NXDOMAIN', authoritative: true, answers: [], authorities: name === 'no-soa' ? [] : [SOA] }
    return { rcode: 'NOERROR', authoritative: true, answers: [ANSWER] }
  })
  const clock = new FakeClock()
  const forwarder = new Forwarder({ nameServers: async () => [{ host: '127.0.0.1', port: upstream.port }], clock })
  const ask = (name: string): Promise<Packet | undefined> => forwarder.ask({ name, type: 'A' }, new AbortController().signal)
  try {
    await ask('example.org')
    await clock.advance(7_000)
    const [record] = (await ask('example.org'))?.answers ?? []
    assert.equal(record && 'ttl' in record && record.ttl, 13)
    for (const name of ['nothing', 'no-soa', 'broken']) for (let i = 0; i < 2; i++) await ask(name)
    assert.deepEqual(asked, ['example.org', 'nothing', 'no-soa', 'no-soa', 'broken', 'broken'])
    await clock.advance(15_000)
    for (const name of ['example.org', 'nothing']) await ask(name)
    assert.equal(asked.length, 8)
  } finally {
    upstream.close()
  }
})

test('a name server that does not answer is asked last for a while', async () => {
  const working = await serveDns({ host: '127.0.0.1', port: 0 }, async () => ({ rcode: 'NOERROR', authoritative: true, answers: [ANSWER] }))
  // Answers with what is not a message: as good as silence, but at once.
  let disturbed = 0
  const broken = createSocket('udp4', (_, from) => {
    disturbed++
    broken.send('?', from.port, from.address)
  })
  broken.bind(0, '127.0.0.1')
  await once(broken, 'listening')
  const clock = new FakeClock()
  const nameServers = async () => [
    { host: '127.0.0.1', port: broken.address().port },
    { host: '127.0.0.1', port: working.port },
  ]
  const forwarder = new Forwarder({ nameServers, clock })
  const ask = async (name: string): Promise<number> =>
    (await forwarder.ask({ name, type: 'A' }, new AbortController().signal))?.answers?.length ?? 0
  try {
    assert.deepEqual([await ask('a'), await ask('b'), disturbed], [1, 1, 1])
    await clock.advance(60_000)
    assert.deepEqual([await ask('c'), disturbed], [1, 2])
  } finally {
    working.close()
    broken.close()
  }
})

test('what is no question is refused, what is no request is passed over', async (t) => {
  const server = await serveDns({ host: '127.0.0.1', port: 0 }, async () => ({ rcode: 'NOERROR', authoritative: true, answers: [] }))
  t.after(() => server.close())
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  const ask = async (message: Buffer): Promise<number> => {
    socket.send(message, server.port, '127.0.0.1')
    const [reply] = (await once(socket, 'message')) as [Buffer]
    assert.equal(reply.readUInt16BE(0), 9)
    return reply.readUInt16BE(2) & 0x7f0f
  }
  const question = { name: 'a.b', type: 'A' as const, class: 'IN' as const }
  const query = (more: object = {}): Buffer => encode({ type: 'query', id: 9, questions: [question], ...more })
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 4096, extendedRcode: 0, ednsVersion: 1, flags: 0, flag_do: false, options: [] }
  const header = query({ questions: [] })
  socket.send(Buffer.concat([query({ type: 'response' })]), server.port, '127.0.0.1')
  socket.send(Buffer.from('short'), server.port, '127.0.0.1')
  assert.equal((await ask(query())) & 15, 0)
  assert.equal((await ask(header)) & 15, 1, 'no question')
  assert.equal((await ask(query({ questions: [question, question] }))) & 15, 1, 'two questions')
  assert.equal((await ask(Buffer.concat([query().subarray(0, 14)]))) & 15, 1, 'half a question')
  assert.equal(await ask(query({ flags: 5 << 11 })), (5 << 11) | 4, 'an update')
  socket.send(query({ additionals: [opt] }), server.port, '127.0.0.1')
  const [reply] = (await once(socket, 'message')) as [Buffer]
  const [said] = decode(reply).additionals ?? []
  assert.ok(said && 'extendedRcode' in said && said.extendedRcode === 1, 'a later version of EDNS')
})

test('whatever strangers send, the next question is answered, over both protocols', { timeout: 20_000 }, async (t) => {
  const answers = [{ type: 'A' as const, name: 'a.b', ttl: 1, data: '10.0.0.1' }]
  const server = await serveDns({ host: '127.0.0.1', port: 0 }, async () => ({ rcode: 'NOERROR', authoritative: true, answers }))
  t.after(() => server.close())
  const question = encode({ type: 'query', id: 9, questions: [{ name: 'a.b', type: 'A', class: 'IN' }] })
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  const bytes = (seed: number): Buffer => {
    const message = Buffer.alloc(seed % 300)
    let state = seed
    for (let i = 0; i < message.length; i++) message[i] = (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) >> 16
    // Half of them begin as a question does.
    if (seed % 2 === 0) question.copy(message, 0, 0, Math.min(12 + (seed % 8), message.length))
    return message
  }
  for (let seed = 1; seed <= 2000; seed++) socket.send(bytes(seed * 7919), server.port, '127.0.0.1')
  const isAnswer = (message: Buffer): boolean => message.readUInt16BE(0) === 9 && message.readUInt16BE(6) === 1
  const answered = new Promise<void>((resolve) => socket.on('message', (message) => isAnswer(message) && resolve()))
  const asking = setInterval(() => socket.send(question, server.port, '127.0.0.1'), 20)
  await answered.finally(() => clearInterval(asking))
  for (const bad of [Buffer.from([0]), Buffer.from([0, 0, 0]), framed(bytes(40)), Buffer.concat([Buffer.from([255, 255]), bytes(998)])]) {
    const stranger = connect(server.port, '127.0.0.1')
    stranger.on('error', () => {}).resume()
    stranger.end(bad)
    await once(stranger, 'close')
  }
  const client = connect(server.port, '127.0.0.1')
  client.write(framed(question))
  const [reply] = (await once(client, 'data')) as [Buffer]
  client.destroy()
  assert.ok(isAnswer(reply.subarray(2)))
})

test('an answer that cannot be encoded is a failure of that question alone', async () => {
  let asked = 0
  const answers = [{ type: 'SRV', name: 'x', ttl: 1, data: undefined }] as never
  const server = await serveDns({ host: '127.0.0.1', port: 0 }, async () => {
    asked++
    return { rcode: 'NOERROR', authoritative: false, answers: asked === 1 ? answers : [] }
  })
  const socket = createSocket('udp4')
  const ask = async (id: number): Promise<Packet> => {
    const query = encode({ type: 'query', id, questions: [{ type: 'A', name: 'x' }] })
    socket.send(query, server.port, '127.0.0.1')
    const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })) as [Buffer]
    return decode(reply)
  }
  try {
    assert.equal(((await ask(1)) as { rcode?: string }).rcode, 'SERVFAIL')
    assert.equal(((await ask(2)) as { rcode?: string }).rcode, 'NOERROR')
  } finally {
    socket.close()
    server.close()
  }
})

test('a port that is taken over TCP alone is given back over UDP', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const handler = async () => ({ rcode: 'NOERROR' as const, authoritative: false, answers: [] })
  try {
    await assert.rejects(serveDns({ host: '127.0.0.1', port }, handler), /EADDRINUSE/)
  } finally {
    taken.close()
    await once(taken, 'close')
  }
  const server = await serveDns({ host: '127.0.0.1', port }, handler)
  server.close()
})

test('the same question of many at once is asked once', async () => {
  let seen = 0
  const upstream = createSocket('udp4')
  upstream.on('message', (message, from) => {
    seen++
    const query = decode(message)
    const answers = [{ type: 'A' as const, name: 'example.org', ttl: 60, data: '192.0.2.1' }]
    upstream.send(encode({ type: 'response', id: query.id ?? 0, questions: query.questions ?? [], answers }), from.port, from.address)
  })
  upstream.bind(0, '127.0.0.1')
  await once(upstream, 'listening')
  const nameServers = async () => [{ host: '127.0.0.1', port: upstream.address().port }]
  const forwarder = new Forwarder({ nameServers, clock: systemClock })
  const { signal } = new AbortController()
  try {
    const packets = await Promise.all(Array.from({ length: 20 }, () => forwarder.ask({ name: 'example.org', type: 'A' }, signal)))
    assert.deepEqual([seen, packets.filter((packet) => packet?.answers?.length === 1).length], [1, 20])
  } finally {
    upstream.close()
  }
})

test('questions are answered over IPv6 as well, and a port of one family stays free in the other', async () => {
  const handler = createHandler(zone, {}, new Forwarder({ nameServers: async () => [], clock: systemClock }), new AbortController().signal)
  const server = await serveDns({ host: '::1', port: 0 }, handler)
  const other = await serveDns({ host: '127.0.0.1', port: server.port }, handler)
  const client = createSocket('udp6')
  try {
    client.send(encode({ type: 'query', id: 7, questions: [{ name: 'dual.default.svc.cluster.local', type: 'AAAA' }] }), server.port, '::1')
    const [message] = (await once(client, 'message')) as [Buffer]
    assert.deepEqual(
      decode(message).answers?.map((answer) => 'data' in answer && answer.data),
      ['fd00:10:96::20'],
    )
  } finally {
    client.close()
    server.close()
    other.close()
  }
})
