/** What a pod without privileges, a stranger on the network and a hostile archive get: nothing. `docs/security.md` says the rest. */
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pack } from 'tar-stream'
import { loadX509 } from '../../src/node/pki.ts'
import { eventually, shellPod, startedCluster, type Cluster, type Result } from './minicube.ts'

const IMAGE = 'minicube/busybox:1.37'
const RACES = Number(process.env['SECURITY_RACES'] ?? 12)
const KUBELET_PORT = 10_250
const READ_ONLY_PORT = 10_255

let cluster: Cluster
let nodeIp: string

interface Identity {
  cert: string
  key: string
}

const node = async (script: string): Promise<string> =>
  (await cluster.minicube(['ssh', '--', 'sh', '-c', script], { mayFail: true })).stdout.trim()
const inPod = async (pod: string, script: string): Promise<Result> =>
  cluster.kubectl(['exec', pod, '--', 'sh', '-c', script], { mayFail: true })

const RESTRICTED = {
  securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      name: 'shell',
      image: IMAGE,
      command: ['sleep', '100000'],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
}

before(async () => {
  cluster = await startedCluster('e2e-security')
  nodeIp = (await cluster.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'])).stdout
  await cluster.apply([
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'used' }, stringData: { password: 'open sesame' } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'strict', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
    shellPod('plain', 'exec sleep 100000'),
    shellPod('confined', 'exec sleep 100000', { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }),
    shellPod('on-host-network', 'exec sleep 100000', { hostNetwork: true }),
    shellPod('secretive', '', {
      containers: [{ name: 'shell', image: IMAGE, command: ['sleep', '100000'], envFrom: [{ secretRef: { name: 'used' } }] }],
    }),
  ])
  await cluster.kubectl(['wait', 'pods', '--all', '--for=condition=Ready', '--timeout=60s'])
})
after(() => cluster?.remove())

/** As somebody else; the kubeconfig is the cluster's own but for the user. */
async function kubectlAs(user: object, args: readonly string[]): Promise<Result> {
  const config = JSON.parse((await cluster.kubectl(['config', 'view', '--raw', '-o', 'json'])).stdout) as { users: { user: object }[] }
  for (const entry of config.users) entry.user = user
  const path = join(cluster.home, 'other-kubeconfig')
  await writeFile(path, JSON.stringify(config), { mode: 0o600 })
  return cluster.kubectl(['--kubeconfig', path, ...args], { mayFail: true })
}

/** A certificate of the cluster's authority for another node. */
async function nodeIdentity(name: string): Promise<Identity> {
  const x509 = await loadX509()
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: [`system:node:${name}`] }],
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  })
  await cluster.apply({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(csr.toString('pem')).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature', 'client auth'],
    },
  })
  await cluster.kubectl(['certificate', 'approve', name])
  const cert = await eventually(
    'the certificate',
    async () => (await cluster.kubectl(['get', 'csr', name, '-o', 'jsonpath={.status.certificate}'])).stdout || undefined,
  )
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
  return { cert: Buffer.from(cert, 'base64').toString(), key }
}

function kubelet(path: string, identity: Partial<Identity> = {}, headers: Record<string, string> = {}): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const options = { host: nodeIp, port: KUBELET_PORT, path, rejectUnauthorized: false, agent: false as const, headers, ...identity }
  request(options, (response) => {
    response.resume()
    resolve(response.statusCode ?? 0)
  })
    .on('error', reject)
    .end()
  return promise
}

function isListening(host: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ host, port, timeout: 2000 }, () => resolve(true))
  socket.on('error', () => resolve(false))
  socket.on('timeout', () => resolve(false))
  return promise.finally(() => socket.destroy())
}

test("the kubelet's port refuses strangers and other nodes; there is no read-only port", async () => {
  const other = await nodeIdentity('node-b')
  for (const path of [
    '/pods',
    '/metrics',
    '/stats/summary',
    '/containerLogs/default/plain/shell',
    '/exec/default/plain/shell?command=id&output=1',
    '/run/default/plain/shell',
  ]) {
    assert.equal(await kubelet(path), 401, `${path} without a name`)
    assert.equal(await kubelet(path, {}, { Authorization: 'Bearer nonsense' }), 401, `${path} with a token that is none`)
    assert.ok([403, 404].includes(await kubelet(path, other)), `${path} as another node`)
  }
  assert.equal(await isListening(nodeIp, READ_ONLY_PORT), false)
  for (const port of [2375, 2376, 4243]) assert.equal(await isListening(nodeIp, port), false, `the engine at port ${port}`)
})

test("another node's credentials do not read what this node's pods use", async () => {
  const { cert, key } = await nodeIdentity('node-c')
  const user = { 'client-certificate-data': Buffer.from(cert).toString('base64'), 'client-key-data': Buffer.from(key).toString('base64') }
  assert.match((await kubectlAs(user, ['auth', 'whoami'])).stdout, /system:node:node-c/)
  const refused = await kubectlAs(user, ['get', 'secret', 'used'])
  assert.match(refused.stderr, /Forbidden.*no relationship found between node 'node-c' and this object/s)
  assert.match((await kubectlAs(user, ['get', 'secrets'])).stderr, /Forbidden/)
  assert.match((await kubectlAs(user, ['delete', 'pod', 'secretive'])).stderr, /[Ff]orbidden/)
  const own = ['--as', `system:node:${cluster.profile}`, '--as-group', 'system:nodes']
  assert.equal((await cluster.kubectl(['get', 'secret', 'used', ...own, '-o', 'name'])).stdout, 'secret/used\n')
})

test('the token of a deleted pod is refused', async () => {
  await cluster.apply(shellPod('short-lived', 'exec sleep 100000'))
  await cluster.kubectl(['wait', 'pod/short-lived', '--for=condition=Ready', '--timeout=60s'])
  const token = (await cluster.kubectl(['exec', 'short-lived', '--', 'cat', '/var/run/secrets/kubernetes.io/serviceaccount/token'])).stdout
  assert.match((await kubectlAs({ token }, ['auth', 'whoami'])).stdout, /system:serviceaccount:default:default/)
  assert.match((await kubectlAs({ token }, ['get', 'secrets'])).stderr, /Forbidden/)
  await cluster.kubectl(['delete', 'pod', 'short-lived', '--timeout=30s'])
  await eventually('the refusal', async () =>
    /Unauthorized|must be logged in/.test((await kubectlAs({ token }, ['auth', 'whoami'])).stderr),
  )
})

test('the restricted standard refuses what it must, and what it lets pass runs', async () => {
  const pod = (name: string, spec: object): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'strict' }, spec })
  const open = pod('open', { containers: [{ name: 'c', image: IMAGE }] })
  const refused = await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(open), mayFail: true })
  assert.match(refused.stderr, /violates PodSecurity "restricted:latest"/)
  await cluster.apply(pod('tight', RESTRICTED))
  await cluster.kubectl(['wait', 'pod/tight', '-n', 'strict', '--for=condition=Ready', '--timeout=60s'])
  const { stdout } = await cluster.kubectl([
    'exec',
    '-n',
    'strict',
    'tight',
    '--',
    'grep',
    '-E',
    'Cap(Eff|Bnd|Prm)|Seccomp:|NoNewPrivs|^Uid',
    '/proc/self/status',
  ])
  assert.match(stdout, /Uid:\s+1000/)
  assert.match(stdout, /CapPrm:\s+0+\nCapEff:\s+0+\nCapBnd:\s+0+\n/)
  assert.match(stdout, /NoNewPrivs:\s+1\nSeccomp:\s+2/)
})

test('the default profile of system calls holds, capabilities are the default ones, kernel files are masked', async () => {
  const status = (await inPod('confined', 'cat /proc/self/status')).stdout
  assert.match(status, /Seccomp:\s+2/)
  for (const forbidden of [
    'unshare -U true',
    'unshare -n true',
    'unshare -m true',
    'mount -t tmpfs none /tmp',
    'mknod /tmp/disk b 8 0 && head -c 1 /tmp/disk',
  ])
    assert.notEqual((await inPod('confined', forbidden)).code, 0, forbidden)
  for (const pod of ['plain', 'confined']) {
    // Docker's and containerd's own fourteen.
    assert.match((await inPod(pod, 'grep CapBnd /proc/self/status')).stdout, /CapBnd:\s+00000000a80425fb/)
    for (const path of ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware'])
      assert.equal(
        (await inPod(pod, `cat ${path} 2>/dev/null | head -c 1 | wc -c; ls ${path}/ 2>/dev/null | wc -l`)).stdout
          .replace(/\s+/g, ' ')
          .trim(),
        '0 0',
        path,
      )
    const groups =
      'for group in /sys/fs/cgroup /sys/fs/cgroup/*; do test -e $group/cgroup.procs && mkdir $group/escape && exit 0; done; exit 1'
    assert.notEqual((await inPod(pod, groups)).code, 0, 'control groups')
    for (const path of ['/sys/kernel/escape', '/proc/sys/kernel/hostname', '/proc/sysrq-trigger'])
      assert.notEqual((await inPod(pod, `echo b > ${path}`)).code, 0, path)
  }
})

test("no pod reaches the engine's socket, by path, by name or by network", async () => {
  for (const pod of ['plain', 'on-host-network']) {
    const found = await inPod(
      pod,
      'find / -xdev \\( -name "docker*.sock" -o -name "containerd*.sock*" \\) 2>/dev/null; grep -E "@.*(docker|containerd|shim|minicube)" /proc/net/unix',
    )
    assert.equal(found.stdout, '', pod)
    for (const port of [2375, 2376, READ_ONLY_PORT])
      assert.notEqual((await inPod(pod, `nc -w 2 ${nodeIp} ${port} </dev/null`)).code, 0, `port ${port} from ${pod}`)
  }
})

test('`..` and other ways out of a path are refused before anything is made', async () => {
  const withVolume = (volume: object, mount: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'dots' },
    spec: {
      containers: [{ name: 'c', image: IMAGE, volumeMounts: [{ name: 'v', mountPath: '/m', ...mount }] }],
      volumes: [{ name: 'v', ...volume }],
    },
  })
  const items = [{ key: 'k', path: '../../escape' }]
  const refused: [string, object][] = [
    ['items of a config map', withVolume({ configMap: { name: 'x', items } })],
    ['items of a secret', withVolume({ secret: { secretName: 'x', items } })],
    ['items of a projected volume', withVolume({ projected: { sources: [{ secret: { name: 'x', items } }] } })],
    ['a token', withVolume({ projected: { sources: [{ serviceAccountToken: { path: '../token' } }] } })],
    ['the downward API', withVolume({ downwardAPI: { items: [{ path: '..data/x', fieldRef: { fieldPath: 'metadata.name' } }] } })],
    ['a subPath', withVolume({ emptyDir: {} }, { subPath: 'a/../../x' })],
    ['an absolute subPath', withVolume({ emptyDir: {} }, { subPath: '/etc' })],
    ['a host path', withVolume({ hostPath: { path: '/var/../etc' } })],
    [
      'a profile of system calls',
      {
        ...shellPod('dots', ''),
        spec: {
          securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: '../x' } },
          containers: [{ name: 'c', image: IMAGE }],
        },
      },
    ],
    ['a name', shellPod('..', '')],
  ]
  for (const [what, manifest] of refused) {
    const answer = await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(manifest), mayFail: true })
    assert.equal(answer.code, 1, what)
    assert.match(answer.stderr, /is invalid|may not/, what)
  }
  const log = await cluster.kubectl(['get', '--raw', `/api/v1/nodes/${cluster.profile}/proxy/containerLogs/default/..%2f..%2fetc/passwd`], {
    mayFail: true,
  })
  assert.equal(log.code, 1)
  const expanded = withVolume({ emptyDir: {} }, { subPathExpr: '$(WAY)/x' }) as { spec: { containers: object[] } }
  expanded.spec.containers = expanded.spec.containers.map((container) => ({ ...container, env: [{ name: 'WAY', value: '../..' }] }))
  await cluster.apply(expanded)
  const message = await eventually(
    'the refusal',
    async () =>
      (await cluster.kubectl(['get', 'pod', 'dots', '-o', 'jsonpath={.status.containerStatuses[0].state.waiting.message}'])).stdout ||
      undefined,
  )
  assert.match(message, /must not contain '\.\.'/)
  await cluster.kubectl(['delete', 'pod', 'dots', '--timeout=30s'])
})

test('a subPath never leads out of its volume, not even when its directory is exchanged for a link meanwhile', async () => {
  const mount = { name: 'shared', mountPath: '/m' }
  const check = 'test -e /m/usr/lib/minicube -o -e /m/lib/kubelet && echo ESCAPED || echo inside'
  const attack = 'cd /m; while :; do rm -rf x; ln -s / x; rm -f x; ln -s /var x; rm -f x; mkdir x; done'
  const victims = Array.from({ length: RACES }, (_, n) => ({
    name: `victim-${n}`,
    image: IMAGE,
    command: ['sh', '-c', check],
    volumeMounts: [{ ...mount, subPath: 'x' }],
  }))
  await cluster.apply([
    shellPod('racer', '', {
      restartPolicy: 'OnFailure',
      containers: [{ name: 'attacker', image: IMAGE, command: ['sh', '-c', attack], volumeMounts: [mount] }, ...victims],
      volumes: [{ name: 'shared', emptyDir: {} }],
    }),
    shellPod('linker', '', {
      initContainers: [{ name: 'attacker', image: IMAGE, command: ['ln', '-s', '/', '/m/x'], volumeMounts: [mount] }],
      containers: [{ ...victims[0], name: 'victim' }],
      volumes: [{ name: 'shared', emptyDir: {} }],
    }),
  ])
  const message = await eventually(
    'the refusal',
    async () =>
      (await cluster.kubectl(['get', 'pod', 'linker', '-o', 'jsonpath={.status.containerStatuses[0].state.waiting.message}'])).stdout ||
      undefined,
  )
  assert.match(message, /leads out of its volume/)
  interface Status {
    name: string
    state: { terminated?: object; waiting?: { reason?: string } }
  }
  const tried = await eventually(
    'every victim to be tried',
    async () => {
      const { status } = await cluster.get<{ status: { containerStatuses?: Status[] } }>('pod', 'racer')
      const statuses = (status.containerStatuses ?? []).filter(({ name }) => name !== 'attacker')
      const done = statuses.filter(({ state }) => state.terminated || /Error/.test(state.waiting?.reason ?? ''))
      return done.length === RACES && statuses
    },
    60_000,
  )
  for (const { name, state } of tried) {
    if (!state.terminated) continue
    assert.equal((await cluster.kubectl(['logs', 'racer', '-c', name])).stdout, 'inside\n', name)
  }
  await cluster.kubectl(['delete', 'pod', 'racer', 'linker', '--timeout=60s'])
  assert.equal(await node('test -d /usr/lib/minicube && test -d /var/lib/kubelet && echo whole'), 'whole')
})

test('a pod cannot write to the volumes that the kubelet writes, nor have it remove what is not theirs', async () => {
  await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'live' }, data: { k: '1' } })
  await cluster.apply(
    shellPod('rewriter', '', {
      containers: [{ name: 'shell', image: IMAGE, command: ['sleep', '100000'], volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      volumes: [{ name: 'v', configMap: { name: 'live' } }],
    }),
  )
  await cluster.kubectl(['wait', 'pod/rewriter', '--for=condition=Ready', '--timeout=60s'])
  for (const attack of ['rm /v/..data', 'ln -sfn / /v/..data', 'echo x > /v/k', 'mv /v/..data /v/x', 'mkdir /v/d'])
    assert.notEqual((await inPod('rewriter', attack)).code, 0, attack)
})

test('hostile archives and build contexts reach no file but their own', async () => {
  const archive = pack()
  archive.entry({ name: '../../../../../../var/evil' }, 'x')
  archive.entry({ name: '/var/evil-absolute' }, 'x')
  archive.entry({ name: 'link', type: 'symlink', linkname: '/var' })
  archive.entry({ name: 'link/evil-through-link' }, 'x')
  archive.entry({ name: 'hard', type: 'link', linkname: '/var/lib/minicube/admin.kubeconfig' })
  archive.entry({ name: 'disk', type: 'block-device', devmajor: 8, devminor: 0 })
  archive.entry({ name: `${'d/'.repeat(2000)}deep`, pax: { comment: 'x'.repeat(1_000_000) } }, 'x')
  archive.entry(
    { name: 'manifest.json' },
    JSON.stringify([
      {
        Config: '../../../../var/lib/minicube/admin.kubeconfig',
        RepoTags: ['../../evil:1', 'evil;reboot:1'],
        Layers: ['link/lib/minicube/state.db'],
      },
    ]),
  )
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  const path = join(cluster.home, 'hostile.tar')
  await writeFile(path, Buffer.concat(chunks))
  const loaded = await cluster.minicube(['image', 'load', path], { mayFail: true })
  assert.notEqual(loaded.code, 0)
  assert.equal(await node('ls -d /var/evil* /evil* /tmp/evil* 2>/dev/null; find /var/lib/docker -xdev -maxdepth 3 -name "evil*"'), '')
  assert.doesNotMatch((await cluster.minicube(['image', 'ls'])).stdout, /evil/)

  const context = join(cluster.home, 'context')
  await mkdir(context)
  await writeFile(join(cluster.home, 'private'), 'secret of the host')
  await symlink(join(cluster.home, 'private'), join(context, 'link'))
  for (const line of ['COPY link /stolen', 'COPY ../private /stolen', 'ADD ../../../../etc/hostname /stolen']) {
    await writeFile(join(context, 'Dockerfile'), `FROM ${IMAGE}\n${line}\n`)
    const built = await cluster.minicube(['image', 'build', '-t', 'stolen:1', context], { mayFail: true })
    assert.notEqual(built.code, 0, line)
  }
})

test('keys, database and kubeconfigs are their owner’s alone; the API server is on loopback of the host', async () => {
  assert.equal((await stat(cluster.kubeconfig)).mode & 0o077, 0)
  assert.equal(
    await node("find /var/lib/minicube -type f \\( -name '*.key' -o -name 'state.db*' -o -name '*kubeconfig*' \\) -perm /077"),
    '',
  )
  assert.equal(await node('stat -c %a /var/lib/minicube/pki'), '700')
  assert.equal(await node('stat -c %a /run/docker.sock'), '660')
  const port = Number(/:(\d+)"?$/m.exec((await readFile(cluster.kubeconfig, 'utf8')).match(/server: (.*)/)?.[1] ?? '')?.[1])
  assert.ok(port > 0)
  assert.equal(await isListening('127.0.0.1', port), true)
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)
  if (outside) assert.equal(await isListening(outside.address, port), false, `the API server listens at ${outside.address}`)
})
