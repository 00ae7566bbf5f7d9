import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type RequestOptions, request } from 'node:https'
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts'
import { type Pem, type TestKubelet, createTestAuthority, startTestKubelet } from './testServer.ts'

const LINES = ['one', 'two', 'three'].map((text, i) => ({
  stream: i === 1 ? ('stderr' as const) : ('stdout' as const),
  timestampNs: BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n + BigInt(i + 1),
  data: Buffer.from(`${text}\n`),
}))

let kubelet: TestKubelet
before(async () => {
  kubelet = await startTestKubelet({ logLines: LINES })
})
after(() => kubelet.server.close())

function requestOptions(path: string, identity: Partial<Pem> | undefined, more: RequestOptions = {}): RequestOptions {
  return { host: '127.0.0.1', port: kubelet.server.port, path, rejectUnauthorized: false, ...identity, agent: false, ...more }
}

async function get(path: string, identity: Partial<Pem> | undefined = kubelet.client): Promise<{ code: number; body: string }> {
  const [response] = await once(request(requestOptions(path, identity)).end(), 'response')
  return { code: response.statusCode, body: await text(response) }
}

async function text(stream: AsyncIterable<unknown>): Promise<string> {
  let all = ''
  for await (const part of stream) all += String(part)
  return all
}

describe('who may call', () => {
  test('no certificate', async () => {
    assert.deepEqual(await get('/healthz', {}), { code: 401, body: 'Unauthorized' })
  })
  test('a certificate of another authority', async () => {
    const stranger = await (await createTestAuthority()).issue('CN=kube-apiserver,O=system:masters')
    assert.equal((await get('/healthz', stranger)).code, 401)
  })
  test('a caller without permission', async () => {
    const nobody = await kubelet.authority.issue('CN=nobody')
    const { code, body } = await get('/exec/default/p/main?command=id&output=1', nobody)
    assert.deepEqual([code, body], [403, 'Forbidden (user=nobody, verb=get, resource=nodes, subresource(s)=[proxy])\n'])
  })
  test('the API server', async () => assert.deepEqual(await get('/healthz'), { code: 200, body: 'ok' }))
})

describe('plain requests', () => {
  test('pods', async () => {
    const list = JSON.parse((await get('/pods')).body) as { kind: string; items: { metadata: { name: string } }[] }
    assert.deepEqual([list.kind, list.items.map((pod) => pod.metadata.name)], ['PodList', ['p']])
  })
  const logs: [query: string, code: number, body: string][] = [
    ['', 200, 'one\ntwo\nthree\n'],
    ['?tailLines=1', 200, 'three\n'],
    ['?limitBytes=5', 200, 'one\nt'],
    ['?stream=Stderr', 200, 'two\n'],
    ['?tailLines=1&timestamps=true', 200, '2026-01-01T00:00:00.000000003Z three\n'],
    ['?previous=true', 400, 'previous terminated container "main" in pod "p" not found'],
    ['?tailLines=-1', 422, 'tailLines: Invalid value: "-1": must be greater than or equal to 0'],
  ]
  for (const [query, code, body] of logs) {
    test(`log${query}`, async () => assert.deepEqual(await get(`/containerLogs/default/p/main${query}`), { code, body }))
  }
  const refused: [path: string, code: number, body: string][] = [
    ['/containerLogs/default/p/waiting', 400, 'container "waiting" in pod "p" is waiting to start: ContainerCreating'],
    ['/containerLogs/default/p/other', 404, 'container "other" not found in pod "p_default"'],
    ['/containerLogs/default/q/main', 404, 'pod "q" does not exist'],
    ['/exec/default/p/main?output=1', 400, 'unable to upgrade: missing upgrade headers in request'],
    ['/nothing', 404, '404 page not found\n'],
  ]
  for (const [path, code, body] of refused) test(`GET ${path}`, async () => assert.deepEqual(await get(path), { code, body }))

  test('resource metrics', async () => {
    const { body } = await get('/metrics/resource')
    assert.match(body, /^container_cpu_usage_seconds_total\{container="main",namespace="default",pod="p"\} 1\.5 \d+$/m)
    assert.match(body, /^# TYPE node_memory_working_set_bytes gauge\nnode_memory_working_set_bytes 3000 \d+$/m)
    assert.match(body, /^resource_scrape_error 0$/m)
  })
  test('what the kubelet tells of itself, of containers and of probes', async () => {
    assert.match((await get('/metrics')).body, /^kubelet_running_pods 1$/m)
    assert.match(
      (await get('/metrics')).body,
      /^kubelet_volume_stats_used_bytes\{namespace="default",persistentvolumeclaim="claim"\} 400$/m,
    )
    assert.match((await get('/metrics/cadvisor')).body, /^container_processes\{container="main",[^}]*namespace="default",pod="p"\} 1 \d+$/m)
    assert.match(
      (await get('/metrics/probes')).body,
      /^prober_probe_total\{container="main",namespace="default",pod="p",pod_uid="uid-p",probe_type="Readiness",result="failed"\} 3$/m,
    )
    assert.equal(JSON.parse((await get('/configz')).body).kubeletconfig.maxPods, 110)
    assert.equal(JSON.parse((await get('/runningpods/')).body).items[0].metadata.name, 'p')
  })
  test('summary', async () => {
    const { node, pods } = JSON.parse((await get('/stats/summary')).body)
    assert.deepEqual(
      [node.nodeName, node.memory.availableBytes, pods[0].podRef.uid, pods[0].containers[0].memory.workingSetBytes],
      ['n', 7000, 'uid-p', 1024],
    )
    // client-go's own collector of usage reads these without looking whether they are there.
    for (const memory of [node.memory, pods[0].memory, pods[0].containers[0].memory, node.systemContainers[0].memory])
      for (const field of ['usageBytes', 'workingSetBytes', 'rssBytes', 'pageFaults', 'majorPageFaults'])
        assert.equal(typeof memory[field], 'number', field)
    assert.deepEqual(
      [node.memory.rssBytes, node.systemContainers[0].name, node.systemContainers[0].memory.workingSetBytes],
      [2000, 'pods', 1500],
    )
    const [scratch, data] = pods[0].volume
    assert.deepEqual([scratch.name, scratch.usedBytes, scratch.pvcRef], ['scratch', 30, undefined])
    assert.deepEqual([data.name, data.capacityBytes, data.inodes], ['data', 1000, 10])
    assert.deepEqual(data.pvcRef, { name: 'claim', namespace: 'default' })
    assert.equal(pods[0]['ephemeral-storage'].usedBytes, 120 + 30, 'a claim is not of the disk of the node')
  })
})

function exec(...command: string[]): string {
  return `/exec/default/p/main?${new URLSearchParams(command.map((word) => ['command', word]))}&input=1&output=1&error=1`
}

describe('WebSocket streams', () => {
  async function connect(
    path: string,
    protocols: string[],
  ): Promise<{ socket: WebSocket; channels: Map<number, string>; closed: Promise<unknown> }> {
    const socket = new WebSocket(`wss://127.0.0.1:${kubelet.server.port}${path}`, protocols, {
      ...kubelet.client,
      rejectUnauthorized: false,
    })
    const channels = new Map<number, string>()
    socket.on('message', (message: Buffer) =>
      channels.set(message[0] ?? -1, (channels.get(message[0] ?? -1) ?? '') + message.toString('utf8', 1)),
    )
    await once(socket, 'open')
    return { socket, channels, closed: once(socket, 'close') }
  }

  test('input ends, output and exit code come', async () => {
    const { socket, channels, closed } = await connect(exec('sh', '-c', 'cat; echo end >&2; exit 7'), ['v5.channel.k8s.io'])
    assert.equal(socket.protocol, 'v5.channel.k8s.io')
    socket.send(Buffer.from('\0hello'))
    socket.send(Buffer.of(255, 0))
    await closed
    assert.deepEqual([channels.get(1), channels.get(2)], ['hello', 'end\n'])
    assert.deepEqual(JSON.parse(channels.get(3) ?? ''), {
      metadata: {},
      status: 'Failure',
      reason: 'NonZeroExitCode',
      message: 'command terminated with non-zero exit code: 7',
      details: { causes: [{ reason: 'ExitCode', message: '7' }] },
    })
  })
  test('much output comes whole, and success is said', async () => {
    const { channels, closed } = await connect(exec('sh', '-c', 'head -c 5000000 /dev/zero | tr "\\0" x'), ['v4.channel.k8s.io'])
    await closed
    assert.equal(channels.get(1)?.length, 5_000_000)
    assert.deepEqual(JSON.parse(channels.get(3) ?? ''), { metadata: {}, status: 'Success' })
  })
  test('a command that cannot start', async () => {
    const { channels, closed } = await connect(exec('/no/such/file'), ['v5.channel.k8s.io'])
    await closed
    assert.match(JSON.parse(channels.get(3) ?? '').message, /^Internal error occurred: .*ENOENT/)
  })
  test('terminal sizes', async () => {
    const { socket, closed } = await connect(`${exec('cat')}&tty=1`, ['v5.channel.k8s.io'])
    socket.send(Buffer.from('\x04{"Width":80,"Height":24}\n'))
    socket.send(Buffer.of(255, 0))
    await closed
    assert.deepEqual(kubelet.sizes.at(-1), { width: 80, height: 24 })
  })
  test('no such container', async () => {
    await assert.rejects(connect('/exec/default/p/waiting?output=1', ['v5.channel.k8s.io']), /404/)
  })
})

test('port-forward over the channels of a WebSocket: the port first, then what the two say', async (t) => {
  const target = createServer((socket) => {
    socket.once('data', (part) => socket.end(`pong after ${String(part)}`))
  }).listen(0, '127.0.0.1')
  t.after(() => target.close())
  await once(target, 'listening')
  const { port } = target.address() as { port: number }
  for (const protocol of ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io']) {
    const inBase64 = protocol.includes('base64')
    const url = `wss://127.0.0.1:${kubelet.server.port}/portForward/default/p?port=${port}&port=1`
    const socket = new WebSocket(url, [protocol], { ...kubelet.client, rejectUnauthorized: false })
    const channels: Buffer[][] = [[], [], [], []]
    socket.on('message', (message: Buffer) => {
      const channel = (message[0] ?? 0) - (inBase64 ? 0x30 : 0)
      channels[channel]?.push(inBase64 ? Buffer.from(message.toString('latin1', 1), 'base64') : message.subarray(1))
    })
    await once(socket, 'open')
    socket.send(inBase64 ? `0${Buffer.from('ping').toString('base64')}` : Buffer.from('\0ping'))
    await once(socket, 'close')
    const [data, error, , otherError] = channels.map(([number, ...rest]) => [number?.readUInt16LE(), Buffer.concat(rest).toString()])
    assert.deepEqual(
      [data, error],
      [
        [port, 'pong after ping'],
        [port, ''],
      ],
    )
    assert.match(String(otherError?.[1]), /^error forwarding port 1 to pod p_default, uid uid-p: .*ECONNREFUSED/)
  }
})

async function connectSpdy(path: string, protocols: string): Promise<{ connection: SpdyConnection; protocol: string }> {
  const options = requestOptions(path, kubelet.client, {
    method: 'POST',
    headers: { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': protocols },
  })
  const [response, socket] = (await once(request(options).end(), 'upgrade')) as [{ headers: Record<string, string> }, Socket]
  return { connection: new SpdyConnection({ socket, side: 'client' }), protocol: response.headers['x-stream-protocol-version'] ?? '' }
}

describe('SPDY streams', () => {
  test('exec with input and exit code', async () => {
    const { connection, protocol } = await connectSpdy(exec('sh', '-c', 'wc -c; exit 3'), 'v5.channel.k8s.io, v4.channel.k8s.io')
    assert.equal(protocol, 'v5.channel.k8s.io')
    const [error, stdin, stdout, stderr] = ['error', 'stdin', 'stdout', 'stderr'].map((type) =>
      connection.openStream({ streamType: type }),
    ) as [SpdyStream, SpdyStream, SpdyStream, SpdyStream]
    stdin.end(Buffer.alloc(3_000_000))
    const [out, err, status] = await Promise.all([text(stdout), text(stderr), text(error)])
    assert.deepEqual([out.trim(), err, JSON.parse(status).details.causes[0].message], ['3000000', '', '3'])
    await connection.closed
  })
  test('no protocol in common', async () => {
    const options = requestOptions(exec('id'), kubelet.client, {
      method: 'POST',
      headers: { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': 'v9.channel.k8s.io' },
    })
    const [response] = await once(request(options).end(), 'response')
    assert.equal(response.statusCode, 403)
    assert.match(await text(response), /client supports \[v9\.channel\.k8s\.io\]/)
  })

  async function forwardOnce(connection: SpdyConnection, port: number, requestId: number): Promise<{ data: string; error: string }> {
    const headers = { port: String(port), requestID: String(requestId) }
    const error = connection.openStream({ streamType: 'error', ...headers })
    error.end()
    const data = connection.openStream({ streamType: 'data', ...headers })
    data.end('ping')
    const [dataText, errorText] = await Promise.all([text(data).catch(() => ''), text(error)])
    return { data: dataText, error: errorText }
  }

  test('port-forward: several connections, half-closed, and one refused', async (t) => {
    const target = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = ''
      socket.on('data', (part) => (heard += String(part))).on('end', () => socket.end(`pong after ${heard}`))
    }).listen(0, '127.0.0.1')
    t.after(() => target.close())
    await once(target, 'listening')
    const { port } = target.address() as { port: number }
    const { connection } = await connectSpdy('/portForward/default/p', 'portforward.k8s.io')
    const answers = await Promise.all([0, 1, 2].map((id) => forwardOnce(connection, port, id)))
    assert.deepEqual(
      answers,
      answers.map(() => ({ data: 'pong after ping', error: '' })),
    )
    const refused = await forwardOnce(connection, 1, 9)
    assert.match(refused.error, /^error forwarding port 1 to pod p_default, uid uid-p: .*ECONNREFUSED/)
    connection.close()
    await connection.closed
  })
})
