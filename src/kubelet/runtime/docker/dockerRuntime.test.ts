/**
 * The runtime and the pods' network on a real engine. MINICUBE_TEST_ENGINE is its socket; the test runs as root in the engine's
 * network namespace, with MINICUBE_TEST_IMAGE (a busybox) and MINICUBE_TEST_PAUSE_IMAGE loaded.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { once } from 'node:events'
import { connect } from 'node:net'
import { systemClock } from '../../../base/clock.ts'
import { silentLogger } from '../../../base/logger.ts'
import { createRoutedPodNetwork } from '../../network/podNetwork.ts'
import { type ContainerConfig, ImagePullError, type Sandbox, type SandboxConfig } from '../runtime.ts'
import { type DockerRuntime, createDockerRuntime } from './dockerRuntime.ts'
import { CONTAINER, SANDBOX } from './testConfigs.ts'

const { MINICUBE_TEST_ENGINE: SOCKET, MINICUBE_TEST_IMAGE: IMAGE, MINICUBE_TEST_PAUSE_IMAGE: PAUSE_IMAGE } = process.env
const PREFIX = `test-${process.pid}`
const HOST_PORT = 18_080
const PLACES = { recordsDirectory: `/tmp/${PREFIX}/records`, namespacesDirectory: `/tmp/${PREFIX}/namespaces` }
const signal = new AbortController().signal

function newRuntime(): DockerRuntime {
  const network = createRoutedPodNetwork({ podCidrs: ['10.99.0.0/24'], clusterCidrs: ['10.99.0.0/16'], log: silentLogger })
  return createDockerRuntime({
    socketPath: SOCKET ?? '',
    network,
    pauseImage: PAUSE_IMAGE ?? '',
    logs: { maxSizeBytes: 2 ** 20, maxFiles: 2 },
    sandboxes: PLACES,
    log: silentLogger,
    clock: systemClock,
  })
}

async function text(stream: AsyncIterable<unknown>): Promise<string> {
  let all = ''
  for await (const part of stream) all += String(part)
  return all
}

async function ask(host: string, port: number): Promise<string> {
  const socket = connect({ host, port })
  await once(socket, 'connect')
  socket.end('GET / HTTP/1.0\r\n\r\n')
  return text(socket)
}

describe(
  'the Docker runtime',
  { skip: SOCKET && IMAGE && PAUSE_IMAGE ? false : 'MINICUBE_TEST_ENGINE, _IMAGE and _PAUSE_IMAGE name no engine' },
  () => {
    let runtime: DockerRuntime
    let imageId: string

    const sandboxConfig = (name: string, change: Partial<SandboxConfig> = {}): SandboxConfig => ({
      ...SANDBOX,
      podUid: `${PREFIX}-${name}`,
      podName: name,
      hostname: name,
      cgroupParent: `/${PREFIX}/${name}`,
      ...change,
    })

    async function run(sandbox: Sandbox, script: string, change: Partial<ContainerConfig> = {}): Promise<string> {
      const config = { ...CONTAINER, imageId, image: IMAGE ?? '', attempt: 0, command: ['sh', '-c', script], ...change }
      const id = await runtime.createContainer(sandbox.id, config, signal)
      await runtime.startContainer(id, signal)
      return id
    }

    async function exec(id: string, ...command: string[]): Promise<[stdout: string, stderr: string, exitCode: number]> {
      const process = await runtime.exec(id, { command, stdin: false, tty: false })
      return Promise.all([text(process.stdout), process.stderr ? text(process.stderr) : '', process.exit])
    }

    async function ended(podUid: string, id: string) {
      const died = Promise.withResolvers<void>()
      const stop = new AbortController()
      const check = async (): Promise<void> => {
        const { containers } = await runtime.list(podUid)
        if (containers.some((container) => container.id === id && container.state === 'Exited')) died.resolve()
      }
      const following = runtime.events(stop.signal, {
        onEvent: () => void check(),
        onConnected: () => void check(),
        onImagesChanged: () => {},
      })
      await died.promise
      stop.abort()
      await following
      return (await runtime.list(podUid)).containers.find((container) => container.id === id)
    }

    before(async () => {
      runtime = newRuntime()
      imageId = (await runtime.imageStatus(IMAGE ?? ''))?.id ?? assert.fail(`${IMAGE} is not loaded`)
    })
    after(async () => {
      const { sandboxes } = await runtime.list()
      for (const { id, podUid } of sandboxes) if (podUid.startsWith(PREFIX)) await runtime.removeSandbox(id)
    })

    test('a container runs to its end, and its log says what it said', async () => {
      const sandbox = await runtime.createSandbox(sandboxConfig('once'), signal)
      const id = await run(sandbox, 'hostname; echo "$0" >&2; exit 7', { args: ['arg'], annotations: { key: 'value' } })
      const container = await ended(sandbox.podUid, id)
      assert.deepEqual(
        [container?.state, container?.exitCode, container?.sandboxId, container?.annotations],
        ['Exited', 7, sandbox.id, { key: 'value' }],
      )
      assert.ok((container?.startedAtMs ?? 0) <= (container?.finishedAtMs ?? 0))
      const lines = await Array.fromAsync(runtime.logs(id, { follow: true, signal }))
      assert.deepEqual(lines.map(({ stream, data }) => [stream, String(data)]).sort(), [
        ['stderr', 'arg\n'],
        ['stdout', 'once\n'],
      ])
    })

    test('a program that is not there', async () => {
      const sandbox = await runtime.createSandbox(sandboxConfig('missing'), signal)
      await assert.rejects(run(sandbox, '', { command: ['/no/such/file'] }), /no such file/i)
      const [container] = (await runtime.list(sandbox.podUid)).containers
      assert.equal(container?.state, 'Exited')
      assert.match(container?.error ?? '', /no such file/i)
    })

    test('pods reach each other, themselves through their hostPort, and are reached by it and by dialing', async () => {
      const web = await runtime.createSandbox(
        sandboxConfig('web', { portMappings: [{ hostPort: HOST_PORT, containerPort: 80, protocol: 'TCP' }] }),
        signal,
      )
      const other = await runtime.createSandbox(sandboxConfig('other'), signal)
      const serve = 'mkdir /www; hostname > /www/index.html; httpd -f -h /www -p 80 & echo up; wait'
      const ids = await Promise.all([run(web, serve), run(other, serve)])
      for (const id of ids) for await (const { data } of runtime.logs(id, { follow: true, signal })) if (String(data) === 'up\n') break
      const [webIp = '', otherIp = ''] = [web.ips[0], other.ips[0]]
      const get = `for i in 1 2 3 4 5; do wget -qO- http://$0/ && exit; sleep 0.1; done`
      assert.deepEqual(await exec(ids[0], 'sh', '-c', get, otherIp), ['other\n', '', 0])
      assert.deepEqual(await exec(ids[1], 'sh', '-c', get, webIp), ['web\n', '', 0])
      assert.match(await ask(webIp, 80), /\nweb\n$/)
      assert.match(await ask('127.0.0.1', HOST_PORT), /\nweb\n$/)
      const connection = await runtime.dial(web.id, 80, signal)
      connection.end('GET / HTTP/1.0\r\n\r\n')
      assert.match(await text(connection), /\nweb\n$/)
      await assert.rejects(runtime.dial(web.id, 81, signal), /connection refused/)

      const later = newRuntime()
      await later.recover(signal)
      assert.match(await ask('127.0.0.1', HOST_PORT), /\nweb\n$/)
      await later.stopSandbox(web.id)
      await later.stopSandbox(web.id)
      assert.deepEqual(
        (await later.list(web.podUid)).sandboxes.map(({ state }) => state),
        ['NotReady'],
      )
      await assert.rejects(ask('127.0.0.1', HOST_PORT))
    })

    test('exec: streams, exit code, input that ends', async () => {
      const sandbox = await runtime.createSandbox(sandboxConfig('exec'), signal)
      const id = await run(sandbox, 'sleep 1000')
      assert.deepEqual(await exec(id, 'sh', '-c', 'echo a; echo b >&2; exit 3'), ['a\n', 'b\n', 3])
      const counting = await runtime.exec(id, { command: ['wc', '-c'], stdin: true, tty: false })
      counting.stdin?.end(Buffer.alloc(3_000_000))
      assert.equal((await text(counting.stdout)).trim(), '3000000')
      assert.ok((await runtime.stats(id)).memoryUsageBytes > 0)
      await runtime.stopContainer(id, 0)
      await runtime.stopContainer(id, 0)
      assert.equal((await runtime.list(sandbox.podUid)).containers[0]?.exitCode, 137)
    })

    test('what a crash left under a name is replaced', async () => {
      const first = await runtime.createSandbox(sandboxConfig('again'), signal)
      await run(first, 'sleep 1000')
      const second = await runtime.createSandbox(sandboxConfig('again'), signal)
      const { sandboxes, containers } = await runtime.list(first.podUid)
      assert.deepEqual([sandboxes.map(({ id }) => id), containers], [[second.id], []])
      await runtime.removeSandbox(second.id)
      await runtime.removeSandbox(second.id)
    })

    test('an image that cannot be had', async () => {
      await assert.rejects(
        runtime.pullImage('localhost:1/x', undefined, signal),
        (error) => error instanceof ImagePullError && error.reason === 'RegistryUnavailable',
      )
      await assert.rejects(
        runtime.pullImage('X', undefined, signal),
        (error) => error instanceof ImagePullError && error.reason === 'InvalidImageName',
      )
      assert.equal(await runtime.imageStatus('localhost:1/x'), undefined)
    })
  },
)
