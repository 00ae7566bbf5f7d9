/** How a component of the control plane reaches the API server that runs in the same process. */
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { Client } from '../client/client.ts'
import { ComponentMetrics } from '../client/metrics/componentMetrics.ts'
import type { Informers } from '../client/informer.ts'
import { createInformers } from '../client/sharedInformer.ts'
import type { UserInfo } from '../apiserver/request.ts'
import type { ApiServer } from '../apiserver/server.ts'

/** Requests within the process go to no address. */
const IN_PROCESS = 'localhost'

export interface Access {
  client: Client
  informers: Informers
  /** What the client is asked for, and what its queues hold. */
  metrics: ComponentMetrics
}

/** A client with an identity of its own, and the informers that its components share. */
export function access(
  server: ApiServer,
  user: UserInfo,
  userAgent: string,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Access {
  const metrics = new ComponentMetrics(IN_PROCESS)
  const client = new Client(metrics.requests.counted(server.directTransport(user, userAgent)))
  return { client, metrics, informers: createInformers({ client, signal, log, clock: systemClock }) }
}
