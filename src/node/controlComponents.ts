/** The components of a node's control plane, kube-proxy and cluster DNS: all that needs no container engine. */
import { readFileSync } from 'node:fs'
import type { ComponentOptions } from '../api/componentOptions.ts'
import type { Component } from '../base/component.ts'
import { familiesOf } from '../base/ipFamily.ts'
import type { Logger } from '../base/logger.ts'
import { Client } from '../client/client.ts'
import { cloudControllerFactories } from '../cloud/cloud.ts'
import type { Instance } from '../cloud/provider.ts'
import { DEFAULT_CONTROLLERS, selectControllers } from '../controllers/registry.ts'
import { runDns } from '../dns/dns.ts'
import { runFakeNodes } from '../fakenodes/fakeNodes.ts'
import type { ApiServer } from '../apiserver/server.ts'
import { runNodeRoutes } from '../kubelet/network/nodeRoutes.ts'
import { runNetworkPolicy } from '../networkpolicy/networkPolicy.ts'
import { runProxy } from '../proxy/proxy.ts'
import { createAnnouncer, loadBalancerPool, type NodeAddress } from './addresses.ts'
import type { Access } from './access.ts'
import { componentUser } from './apiServer.ts'
import type { NodeConfig } from './config.ts'
import { controllerComponent } from './controllers.ts'
import { candidacyOf, electedComponent, electionSettings } from './electedComponent.ts'
import { hostNames } from './hostNames.ts'
import { kubeControllers } from './kubeControllers.ts'
import { runMetricsServer } from './metrics/metricsServer.ts'
import type { Pki } from './pki.ts'
import { schedulerComponent, schedulerConfigurationOf } from './schedulerComponent.ts'

/** Upstream's. */
const CONTROLLER_MANAGER_PORT = 10_257
const SCHEDULER_PORT = 10_259
const METRICS_SERVER_PORT = 10_252

export interface ControlOptions extends Access {
  config: NodeConfig
  address: NodeAddress
  pki: Pki
  server: ApiServer
  /** What was set from outside. */
  options: ComponentOptions
  log: Logger
}

/** Workers are named after the cluster: `minicube-m02`. */
const isWorkerOf = (clusterName: string, name: string): boolean => name.startsWith(`${clusterName}-m`) && /-m\d{2,}$/.test(name)

/** In the order of their start. */
export function controlComponents({ config, address, pki, server, client, informers, metrics, options, log }: ControlOptions): Component[] {
  const scheduling = new Client(server.directTransport(componentUser('system:kube-scheduler'), 'kube-scheduler'))
  const instance = (name: string, roles: readonly string[]): Instance => ({
    providerId: `minicube://${config.clusterName}/${name}`,
    instanceType: 'minicube',
    zone: config.clusterName,
    region: 'local',
    roles,
  })
  const endpointAt = (port: number) => ({ host: '127.0.0.1', port, tls: pki.apiServer, clientCa: pki.ca.cert })
  const pool = loadBalancerPool(address)
  const cloud = {
    clusterName: config.clusterName,
    instance: (name: string) => {
      if (name === config.nodeName) return instance(name, ['control-plane'])
      // A worker is removed by the launcher, with its Node: from in here nobody can see other containers.
      return isWorkerOf(config.clusterName, name) ? instance(name, []) : undefined
    },
    loadBalancers: { pool, nodeName: config.nodeName, announce: createAnnouncer(address.device, pool) },
  }
  const flags = options['controller-manager']
  const podCidrs = config.podCidr.split(',')
  const kube = kubeControllers({ pki, podCidr: config.podCidr, nodeName: config.nodeName, flags })
  const controllers = selectControllers(kube.keys(), flags.controllers ?? DEFAULT_CONTROLLERS)
  const configuration = options.scheduler.config ? schedulerConfigurationOf(options.scheduler.config) : undefined
  // One process needs no Lease; those who ask for one find it where other clusters have it.
  const candidacy = candidacyOf(log, false)
  const clouds = cloudControllerFactories(cloud)
  const fakeNodes: Component[] = []
  if (config.fakeNodes > 0) {
    const shape = { client, informers, count: config.fakeNodes, isTainted: true }
    fakeNodes.push({ name: 'fake-nodes', run: (context) => runFakeNodes(shape, context) })
  }
  return [
    electedComponent(electionSettings('kube-controller-manager', flags), client, candidacy, (writing) =>
      controllerComponent({
        name: 'kube-controller-manager',
        factories: kube,
        controllers,
        client: writing,
        informers,
        metrics,
        endpoint: endpointAt(CONTROLLER_MANAGER_PORT),
      }),
    ),
    electedComponent(
      electionSettings('kube-scheduler', options.scheduler, configuration?.leaderElection),
      scheduling,
      candidacy,
      (writing) =>
        schedulerComponent({ client: writing, informers, ...(configuration && { configuration }), endpoint: endpointAt(SCHEDULER_PORT) }),
    ),
    ...fakeNodes,
    controllerComponent({ name: 'cloud-controller-manager', factories: clouds, controllers: [...clouds.keys()], client, informers }),
    { name: 'node-routes', run: (context) => runNodeRoutes({ informers, nodeName: config.nodeName }, context) },
    { name: 'kube-proxy', run: (context) => runProxy({ client, informers, nodeName: config.nodeName, podCidrs }, context) },
    {
      name: 'network-policy',
      run: (context) => runNetworkPolicy({ informers, nodeName: config.nodeName, families: familiesOf(podCidrs) }, context),
    },
    {
      name: 'metrics-server',
      run: (context) =>
        runMetricsServer(
          {
            client,
            informers,
            authorizer: server.authorizer,
            nodeName: config.nodeName,
            nodeIp: address.ip,
            port: METRICS_SERVER_PORT,
            tls: { ...pki.metricsServer, frontProxyCa: pki.frontProxyCa.cert },
            kubelets: { ca: pki.ca.cert, ...pki.kubeletClient },
          },
          context,
        ),
    },
    {
      name: 'kube-dns',
      run: (context) => {
        const { nodeName, clusterDns, clusterDomain } = config
        return runDns(
          {
            client,
            informers,
            nodeName,
            nodeIps: address.ips,
            clusterDns,
            clusterDomain,
            hosts: hostNames(readFileSync('/etc/hosts', 'utf8')),
          },
          context,
        )
      },
    },
  ]
}
