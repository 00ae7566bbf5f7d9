/** What streams through the API server to containers: much of it, whole, in both directions, over both protocols. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { findTool } from '../../src/cluster/kubernetesTools.ts'
import { run, shellPod, startedCluster, type Cluster } from './minicube.ts'

const SIZE_BYTES = 20_000_000
const SLOW_MS = 1_500
const data = randomBytes(SIZE_BYTES)
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const wanted = sha256(data)

let cluster: Cluster
let kubectl: string
let file: string

before(async () => {
  cluster = await startedCluster('e2e-streams')
  kubectl = await findTool('kubectl')
  file = join(cluster.home, 'data')
  await writeFile(file, data)
  await cluster.apply(shellPod('box', 'sleep 10000'))
  await cluster.kubectl(['wait', 'pod/box', '--for=condition=Ready', '--timeout=60s'])
})
after(() => cluster?.remove())

for (const [protocol, webSockets] of [
  ['WebSocket', 'true'],
  ['SPDY', 'false'],
] as const) {
  const env = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: webSockets, KUBECTL_PORT_FORWARD_WEBSOCKETS: webSockets }
  const shell = async (script: string): Promise<string> =>
    (await run('sh', ['-c', script], { env: { ...cluster.env, ...env, KUBECTL: kubectl, FILE: file } })).stdout.trim()

  test(`${protocol}: files are copied both ways, and a command reads and writes them whole`, async () => {
    await shell('$KUBECTL cp $FILE box:/tmp/data && $KUBECTL cp box:/tmp/data $FILE.back')
    assert.equal(sha256(await readFile(`${file}.back`)), wanted)
    assert.match(await shell('$KUBECTL exec -i box -- sha256sum < $FILE'), new RegExp(`^${wanted}`))
    assert.match(await shell('$KUBECTL exec -i box -- cat < $FILE | (sleep 1; sha256sum)'), new RegExp(`^${wanted}`))
  })

  test(`${protocol}: input ends while output goes on, and the exit code comes`, async () => {
    assert.equal(await shell(`printf 'a\\nb\\n' | $KUBECTL exec -i box -- sh -c 'wc -l; echo after'`), '2\nafter')
    assert.equal(await shell('$KUBECTL exec box -- sh -c "exit 42" 2>/dev/null; echo $?'), '42')
  })

  test(`${protocol}: a forwarded port takes all that is sent before it answers, and waits for a slow reader`, async () => {
    const serving = shell(`$KUBECTL exec box -- sh -c 'nc -l -p 9000 -e sha256sum; nc -l -p 9000 -e cat /tmp/data'`)
    const forward = await forwarding(env)
    try {
      await listening()
      const answer = await talk(forward.port, data, 0)
      assert.match(answer.toString(), new RegExp(`^${wanted}`))
      await listening()
      assert.equal(sha256(await talk(forward.port, undefined, SLOW_MS)), wanted)
      await serving
    } finally {
      forward.close()
    }
  })
}

/** Somebody in the pod listens on port 9000 (2328 in hexadecimal): kubectl gives up for good where nobody does. */
async function listening(): Promise<void> {
  await cluster.kubectl(['exec', 'box', '--', 'sh', '-c', "until grep -q ':2328 .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done"])
}

async function forwarding(env: NodeJS.ProcessEnv): Promise<{ port: number; close(): void }> {
  const child = spawn(kubectl, ['port-forward', 'pod/box', ':9000'], {
    env: { ...process.env, ...cluster.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1]
    if (port) return { port: Number(port), close: () => child.kill() }
  }
  throw new Error('kubectl forwards no port')
}

/** Sends and half-closes, unless there is nothing to send; reads what comes, once it is time to. */
function talk(port: number, send: Buffer | undefined, readAfterMs: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', reject)
  socket.on('end', () => {
    socket.destroy()
    resolve(Buffer.concat(chunks))
  })
  setTimeout(() => socket.on('data', (chunk: Buffer) => chunks.push(chunk)), readAfterMs)
  if (send) socket.end(send)
  return promise
}
