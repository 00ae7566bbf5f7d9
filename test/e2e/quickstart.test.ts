/** The README's commands, then what people do next with kubectl. */
import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ROOT, eventually, newCluster, run, type Cluster } from './minicube.ts'

let cluster: Cluster

before(async () => {
  cluster = await newCluster('e2e-quick')
  // A kubeconfig that somebody else wrote must stay as it is.
  const foreign = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'other', cluster: { server: 'https://127.0.0.1:1', 'x-note': 'mine' } }],
    contexts: [],
    users: [],
    'current-context': '',
  }
  await writeFile(cluster.kubeconfig, JSON.stringify(foreign), { mode: 0o600 })
  await cluster.minicube(['start'], { timeoutMs: 900_000 })
})
after(() => cluster?.remove())

const HELLO = join(ROOT, 'examples/hello')

test('the five commands of the README', async () => {
  await cluster.minicube(['image', 'build', '-t', 'hello:dev', HELLO])
  await cluster.minicube(['kubectl', '--', 'apply', '-f', `${HELLO}/`])
  await cluster.kubectl(['rollout', 'status', 'deployment/hello', '--timeout=60s'])
  const url = (await cluster.minicube(['service', 'hello', '--url'])).stdout.trim()
  assert.match(url, /^http:\/\/\S+$/)
  const page = await eventually('the page', async () => (await fetch(url)).text())
  assert.match(page, /Hello from minicube/)
})

test('the cluster is usable the moment start returns', async () => {
  const node = await cluster.get<{ items: { status: { conditions: { type: string; status: string }[] } }[] }>('nodes')
  assert.equal(node.items[0]?.status.conditions.find((c) => c.type === 'Ready')?.status, 'True')
  await cluster.kubectl(['get', 'serviceaccount', 'default'])
})

test('a second start changes nothing and takes less than a second', async () => {
  const before = await cluster.get<{ items: { metadata: { uid: string } }[] }>('pods', '-A')
  const again = await cluster.minicube(['start'])
  const after = await cluster.get<{ items: { metadata: { uid: string } }[] }>('pods', '-A')
  assert.deepEqual(after.items.map((p) => p.metadata.uid).sort(), before.items.map((p) => p.metadata.uid).sort())
  assert.ok(again.elapsedMs < 1_500, `took ${again.elapsedMs} ms`)
})

test('status prints minikube’s lines', async () => {
  const { stdout } = await cluster.minicube(['status'])
  assert.equal(
    stdout,
    `${cluster.profile}\ntype: Control Plane\nhost: Running\nkubelet: Running\napiserver: Running\nkubeconfig: Configured\n\n`,
  )
  const json = JSON.parse((await cluster.minicube(['status', '-o', 'json'])).stdout) as Record<string, unknown>
  assert.deepEqual(json, {
    Name: cluster.profile,
    Host: 'Running',
    Kubelet: 'Running',
    APIServer: 'Running',
    Kubeconfig: 'Configured',
    Worker: false,
  })
})

test('the kubeconfig keeps what others wrote and is for the owner alone', async () => {
  const text = await readFile(cluster.kubeconfig, 'utf8')
  assert.match(text, /x-note/)
  assert.match(text, /https:\/\/127\.0\.0\.1:1\b/)
  assert.equal((await stat(cluster.kubeconfig)).mode & 0o777, 0o600)
})

test('api-resources, explain, auth can-i, version', async () => {
  assert.match((await cluster.kubectl(['api-resources'])).stdout, /deployments\s+deploy\s+apps\/v1\s+true\s+Deployment/)
  assert.match((await cluster.kubectl(['explain', 'pod.spec.containers.image'])).stdout, /FIELD: image <string>/)
  assert.equal((await cluster.kubectl(['auth', 'can-i', 'create', 'pods'])).stdout.trim(), 'yes')
  assert.equal((await cluster.kubectl(['auth', 'can-i', 'create', 'pods', '--as', 'nobody'], { mayFail: true })).stdout.trim(), 'no')
  assert.match((await cluster.kubectl(['version'])).stdout, /Server Version: v1\.36/)
})

test('get -o wide and yaml, describe, events', async () => {
  assert.match(
    (await cluster.kubectl(['get', 'pods', '-o', 'wide'])).stdout,
    /NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\s+IP\s+NODE\s+NOMINATED NODE\s+READINESS GATES/,
  )
  assert.match((await cluster.kubectl(['get', 'deployment', 'hello', '-o', 'yaml'])).stdout, /kind: Deployment/)
  const [pod] = (await cluster.get<{ items: { metadata: { name: string } }[] }>('pods', '-l', 'app=hello')).items
  const described = (await cluster.kubectl(['describe', 'pod', pod?.metadata.name ?? ''])).stdout
  for (const text of [/Ready:\s+True/, /Successfully assigned/, /Started\s+\S+\s+kubelet\s+.*[Cc]ontainer/]) assert.match(described, text)
  assert.match((await cluster.kubectl(['events'])).stdout, /ScalingReplicaSet/)
})

test('logs, exec with a terminal, cp, port-forward', async () => {
  const { items } = await cluster.get<{ items: { metadata: { name: string } }[] }>('pods', '-l', 'app=hello')
  const pod = items[0]?.metadata.name as string
  assert.match(
    (await cluster.kubectl(['exec', '-i', pod, '--', 'sh', '-c', 'echo to-out; echo to-err >&2; cat'], { input: 'from-in' })).stdout,
    /to-out\nfrom-in/,
  )
  assert.equal((await cluster.kubectl(['exec', pod, '--', 'sh', '-c', 'exit 7'], { mayFail: true })).code, 7)
  const tty = await run('script', ['-qec', `${await kubectlCommand()} exec -it ${pod} -- sh -c 'tty; stty size'`, '/dev/null'], {
    env: cluster.env,
  })
  assert.match(tty.stdout, /\/dev\/pts\/\d+/)

  const local = join(cluster.home, 'blob')
  await writeFile(local, Buffer.alloc(300_000, 7))
  await cluster.kubectl(['cp', local, `${pod}:/tmp/blob`])
  assert.match((await cluster.kubectl(['exec', pod, '--', 'wc', '-c', '/tmp/blob'])).stdout, /^300000 /)

  await throughPortForward(pod, async (port) => {
    assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /Hello from minicube/)
  })
  assert.match((await cluster.kubectl(['logs', pod])).stdout, /response:200/)
})

test('logs -f follows', async () => {
  await cluster.kubectl([
    'run',
    'ticker',
    '--image=minicube/busybox:1.37',
    '--restart=Never',
    '--',
    'sh',
    '-c',
    'for i in 1 2 3; do echo tick $i; sleep 0.3; done',
  ])
  await cluster.kubectl(['wait', 'pod/ticker', '--for=jsonpath={.status.containerStatuses[0].started}', '--timeout=30s'], { mayFail: true })
  assert.equal((await cluster.kubectl(['logs', '-f', 'ticker'])).stdout, 'tick 1\ntick 2\ntick 3\n')
  await cluster.kubectl(['wait', 'pod/ticker', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=30s'])
})

test('scale, rollout, undo, delete, wait', async () => {
  await cluster.kubectl(['scale', 'deployment/hello', '--replicas=3'])
  await cluster.kubectl(['wait', 'deployment/hello', '--for=jsonpath={.status.readyReplicas}=3', '--timeout=60s'])
  await cluster.kubectl(['set', 'env', 'deployment/hello', 'COLOUR=blue'])
  await cluster.kubectl(['rollout', 'status', 'deployment/hello', '--timeout=60s'])
  assert.match((await cluster.kubectl(['rollout', 'history', 'deployment/hello'])).stdout, /2 /)
  await cluster.kubectl(['rollout', 'undo', 'deployment/hello'])
  await cluster.kubectl(['rollout', 'status', 'deployment/hello', '--timeout=60s'])
  assert.doesNotMatch((await cluster.kubectl(['get', 'deployment', 'hello', '-o', 'yaml'])).stdout, /COLOUR/)
  await cluster.kubectl(['delete', '-f', `${HELLO}/`, '--timeout=60s'])
  await eventually(
    'the pods to be gone',
    async () => (await cluster.get<{ items: unknown[] }>('pods', '-l', 'app=hello')).items.length === 0,
  )
})

test('images, address, profiles, version, completion, tree, ssh, logs', async () => {
  assert.match((await cluster.minicube(['image', 'ls'])).stdout, /hello:dev/)
  await cluster.minicube(['image', 'rm', 'hello:dev'])
  assert.doesNotMatch((await cluster.minicube(['image', 'ls'])).stdout, /hello:dev/)
  assert.match((await cluster.minicube(['ip'])).stdout.trim(), /^\d+\.\d+\.\d+\.\d+$/)
  assert.match((await cluster.minicube(['profile', 'list'])).stdout, /e2e-quick/)
  assert.match((await cluster.minicube(['version', '--short'])).stdout, /^v\d+\.\d+\.\d+/)
  assert.match((await cluster.minicube(['completion', 'bash'])).stdout, /complete/)
  const tree = (await cluster.minicube(['tree'])).stdout
  for (const part of [/engine/i, /kube-apiserver|api server/i, /scheduler/, /kubelet/]) assert.match(tree, part)
  assert.equal((await cluster.minicube(['ssh', '--', 'cat', '/proc/1/comm'])).stdout.trim(), 'init')
  assert.match((await cluster.minicube(['logs', '--component', 'kubelet'])).stdout, /kubelet/)
})

async function kubectlCommand(): Promise<string> {
  const { findTool } = await import('../../src/cluster/kubernetesTools.ts')
  return findTool('kubectl')
}

async function throughPortForward(pod: string, use: (port: number) => Promise<void>): Promise<void> {
  const child = await cluster.spawnKubectl(['port-forward', `pod/${pod}`, ':8080'])
  try {
    const port = await new Promise<number>((resolve, reject) => {
      let text = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        const match = /127\.0\.0\.1:(\d+)/.exec(text)
        if (match) resolve(Number(match[1]))
      })
      child.on('exit', (code) => reject(new Error(`port-forward ended with ${code}: ${text}`)))
    })
    await use(port)
  } finally {
    child.kill()
  }
}
