/** Who calls: the client's certificate, signed by the cluster's authority. There is no other way, and no anonymous caller. */
import type { TLSSocket } from 'node:tls'
import { HttpError } from './errors.ts'
import { type Route, subresourcesOf } from './routes.ts'

export interface KubeletCaller {
  name: string
  groups: readonly string[]
}

export interface KubeletAccess {
  verb: string
  /** Of the Node: `proxy`, `log`, `stats`, `metrics`, `pods`, `healthz`. */
  subresource: string
}

export type AuthorizeCaller = (caller: KubeletCaller, access: KubeletAccess) => boolean | Promise<boolean>

export function callerOf(socket: TLSSocket): KubeletCaller {
  // Node's own certificate check ran in the handshake; its verdict is here.
  const subject = socket.authorized ? socket.getPeerCertificate().subject : undefined
  const name = single(subject?.CN)
  if (!name) throw new HttpError(401, 'Unauthorized')
  return { name, groups: [subject?.O ?? []].flat() }
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

export async function authorizeCaller(caller: KubeletCaller, verb: string, route: Route, authorize: AuthorizeCaller): Promise<void> {
  const subresources = subresourcesOf(route)
  for (const subresource of subresources) if (await authorize(caller, { verb, subresource })) return
  throw new HttpError(403, `Forbidden (user=${caller.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`)
}
