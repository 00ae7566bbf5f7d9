/** How a component of the control plane reaches the API server that runs in the same process. */
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { Client } from '../client/client.ts'
import type { Informers } from '../client/informer.ts'
import { createInformers } from '../client/sharedInformer.ts'
import type { UserInfo } from '../apiserver/request.ts'
import type { ApiServer } from '../apiserver/server.ts'

export interface Access {
  client: Client
  informers: Informers
}

/** A client with an identity of its own, and the informers that its components share. */
export function access(
  server: ApiServer,
  user: UserInfo,
  userAgent: string,
  { log, signal }: { log: Logger; signal: AbortSignal },
): Access {
  const client = new Client(server.directTransport(user, userAgent))
  return { client, informers: createInformers({ client, signal, log, clock: systemClock }) }
}
