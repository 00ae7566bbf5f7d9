import assert from 'node:assert/strict'
import { test } from 'node:test'
import { workerNames } from './names.ts'
import { checkOwned, containerSpec, explainStartError, lacksCapability, likelyMode, nodeProcessConfig } from './nodeContainer.ts'
import type { ProfileConfig } from './profile.ts'
import { UserError } from './userError.ts'

const profile: ProfileConfig = {
  name: 'dev',
  createdAt: '2026-01-01T00:00:00.000Z',
  kubernetesVersion: 'v1.36.0',
  engineHost: 'unix:///var/run/docker.sock',
  image: 'minicube/node:1-abc',
  imagePinned: false,
  containerMode: 'privileged',
  network: { name: 'minicube', subnet: '192.168.201.0/24', nodeIP: '192.168.201.10' },
  hostApiPort: 26_443,
  cpus: 1.5,
  memoryBytes: 2 ** 31,
  publish: ['8080:30080', '0.0.0.0:53:30053/udp'],
  serviceClusterIpRange: '10.96.0.0/16',
  podCidr: '10.244.0.0/16',
  clusterDns: '10.96.0.10',
  clusterDomain: 'cluster.local',
}
const engine = { podman: false, userNamespaces: false }
const spec = (more: Partial<Parameters<typeof containerSpec>[0]> = {}): ReturnType<typeof containerSpec> =>
  containerSpec({ profile, mode: 'privileged', engine, kernelModules: true, env: {}, home: '/home/me/.minicube', ...more })

test('the API is published on the loopback at the port that the profile keeps', () => {
  assert.deepEqual(spec().HostConfig.PortBindings, {
    '6443/tcp': [{ HostIp: '127.0.0.1', HostPort: '26443' }],
    '30080/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }],
    '30053/udp': [{ HostIp: '0.0.0.0', HostPort: '53' }],
  })
})

test('limits, restart policy, fixed address and what lasts', () => {
  const { HostConfig, NetworkingConfig, Hostname } = spec()
  assert.equal(HostConfig.NanoCpus, 1_500_000_000)
  assert.equal(HostConfig.Memory, 2 ** 31)
  assert.equal(HostConfig.MemorySwap, 2 ** 31)
  assert.deepEqual(HostConfig.RestartPolicy, { Name: 'unless-stopped' })
  assert.equal(HostConfig.Init, false)
  assert.deepEqual(
    HostConfig.Mounts?.map(({ Source, Target }) => [Source, Target]),
    [['minicube-dev', '/var']],
  )
  assert.deepEqual(NetworkingConfig?.EndpointsConfig?.minicube, { IPAMConfig: { IPv4Address: '192.168.201.10' } })
  assert.equal(Hostname, 'dev')
})

test('without CAP_SYS_RESOURCE every right is given by name', () => {
  const { HostConfig } = spec({ mode: 'capabilities' })
  assert.equal(HostConfig.Privileged, false)
  assert.deepEqual([HostConfig.CapAdd, HostConfig.CapDrop], [['ALL'], ['SYS_RESOURCE']])
  assert.deepEqual([HostConfig.MaskedPaths, HostConfig.ReadonlyPaths], [[], []])
  assert.equal(HostConfig.CgroupnsMode, 'private')
})

test('what an engine or a host lacks is left out', () => {
  const { HostConfig } = spec({ engine: { podman: true, userNamespaces: true }, kernelModules: false })
  assert.equal(HostConfig.LogConfig, undefined)
  assert.equal(HostConfig.UsernsMode, 'host')
  assert.equal(HostConfig.Binds, undefined)
})

test("a proxy goes in, with the cluster's own ranges excepted", () => {
  const environment = spec({ env: { HTTPS_PROXY: 'http://proxy:3128', no_proxy: 'corp' } }).Env ?? []
  assert.ok(environment.includes('HTTPS_PROXY=http://proxy:3128'))
  assert.ok(environment.includes('NO_PROXY=corp,localhost,127.0.0.1,192.168.201.0/24,10.96.0.0/16,10.244.0.0/16,.svc,.cluster.local'))
  assert.ok(!(spec().Env ?? []).some((variable) => /proxy/i.test(variable)))
})

test('what the node process is told', () => {
  const config = nodeProcessConfig(profile)
  assert.deepEqual([config.clusterName, config.nodeName, config.apiServerPort, config.hostApiPort], ['dev', 'dev', 6443, 26_443])
  assert.deepEqual(config.sans, ['127.0.0.1', 'localhost', 'dev', '192.168.201.10'])
  const json = (spec().Env ?? []).find((variable) => variable.startsWith('MINICUBE_CONFIG='))
  assert.deepEqual(JSON.parse(json?.slice('MINICUBE_CONFIG='.length) ?? ''), config)
})

test('the way that is tried first', () => {
  const status = (bounding: string): string => `Name:\tnode\nCapBnd:\t${bounding}\n`
  assert.equal(likelyMode({ local: true }, status('000001ffffffffff')), 'privileged')
  assert.equal(likelyMode({ local: true }, status('000001fffeffffff')), 'capabilities')
  assert.equal(likelyMode({ local: false }, status('000001fffeffffff')), 'privileged')
  assert.equal(likelyMode({ local: true }, ''), 'privileged')
})

test("the engine's refusals", () => {
  assert.equal(lacksCapability(new Error('OCI runtime create failed: unable to apply caps: operation not permitted')), true)
  assert.equal(lacksCapability(new Error('no such image')), false)
  const taken = explainStartError(
    new Error('driver failed programming external connectivity: Bind for 127.0.0.1:8080 failed: port is already allocated'),
    profile,
  )
  assert.ok(taken instanceof UserError)
  assert.equal(taken.exitCode, 71)
  assert.match(taken.message, /\(8080\)/)
  assert.match(taken.hint ?? '', /--publish HOST:NODE/)
  const apiPort = explainStartError(new Error('Bind for 127.0.0.1:26443 failed: port is already allocated'), profile)
  assert.match((apiPort as UserError).hint ?? '', /^It is the API server's, .*ss -ltnp 'sport = :26443'/)
  const full = explainStartError(new Error('write /var/lib/docker: no space left on device'), profile)
  assert.ok(full instanceof UserError && full.exitCode === 26)
  const other = new Error('anything')
  assert.equal(explainStartError(other, profile), other)
})

test('a worker: a name, a volume and an address of its own, no published ports, and where its control plane is', () => {
  const worker = { name: 'dev-m02', nodeIP: '192.168.201.11', controlPlaneUrl: 'https://192.168.201.10:6443' }
  const { name, Hostname, Labels, HostConfig, NetworkingConfig } = spec({ worker })
  assert.deepEqual([name, Hostname, Labels?.['io.minicube.profile'], Labels?.['io.minicube.worker']], ['dev-m02', 'dev-m02', 'dev', 'true'])
  assert.deepEqual(HostConfig.PortBindings, {})
  assert.equal(HostConfig.Mounts?.[0]?.Source, 'minicube-dev-m02')
  assert.deepEqual(NetworkingConfig?.EndpointsConfig?.['minicube'], { IPAMConfig: { IPv4Address: '192.168.201.11' } })
  const config = nodeProcessConfig(profile, worker)
  assert.deepEqual([config.role, config.nodeName, config.clusterName, config.nodeIP], ['worker', 'dev-m02', 'dev', '192.168.201.11'])
  assert.equal(config.controlPlaneUrl, worker.controlPlaneUrl)
})

test('workers are named as minikube names them', () => {
  assert.deepEqual(workerNames({ name: 'dev' }), [])
  assert.deepEqual(workerNames({ name: 'dev', nodes: 3 }), ['dev-m02', 'dev-m03'])
})

test('a cluster of the same name that another folder knows of is left alone', () => {
  const { Labels: labels = {} } = spec()
  checkOwned({ labels }, 'dev', '/home/me/.minicube')
  // Made before clusters told whose they are.
  checkOwned({ labels: { 'io.minicube.profile': 'dev' } }, 'dev', '/home/me/.minicube')
  assert.throws(() => checkOwned({ labels }, 'dev', '/root/.minicube'), {
    exitCode: 81,
    message: 'the engine has a cluster "dev" already, which /home/me/.minicube knows of',
    hint: /--profile NAME.*MINICUBE_HOME=\/home\/me\/\.minicube/,
  })
  assert.throws(() => checkOwned({ labels: {} }, 'dev', '/root/.minicube'), { exitCode: 81, message: /is not minicube's$/ })
})
