/**
 * Who calls: the client's certificate, signed by the cluster's authority, or a bearer token that the API server knows.
 * There is no other way, and no anonymous caller.
 */
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { HttpError } from './errors.ts'
import { type Route, subresourcesOf } from './routes.ts'

export interface KubeletCaller {
  name: string
  groups: readonly string[]
  extra: Readonly<Record<string, readonly string[]>>
}

export interface KubeletAccess {
  verb: string
  /** Of the Node: `proxy`, `log`, `stats`, `metrics`, `pods`, `healthz`. */
  subresource: string
}

export type AuthorizeCaller = (caller: KubeletCaller, access: KubeletAccess) => boolean | Promise<boolean>

/** Asks who a bearer token is of; undefined when it is nobody's. */
export type AuthenticateToken = (token: string) => Promise<KubeletCaller | undefined>

export async function callerOf(request: IncomingMessage, authenticate: AuthenticateToken | undefined): Promise<KubeletCaller> {
  const caller = certifiedCaller(request.socket as TLSSocket) ?? (await tokenCaller(request, authenticate))
  if (!caller) throw new HttpError(401, 'Unauthorized')
  return caller
}

async function tokenCaller({ headers }: IncomingMessage, authenticate: AuthenticateToken | undefined): Promise<KubeletCaller | undefined> {
  const token = /^bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  return token === undefined ? undefined : authenticate?.(token)
}

function certifiedCaller(socket: TLSSocket): KubeletCaller | undefined {
  // Node's own certificate check ran in the handshake; its verdict is here.
  const subject = socket.authorized ? socket.getPeerCertificate().subject : undefined
  const name = single(subject?.CN)
  return name ? { name, groups: [subject?.O ?? []].flat(), extra: {} } : undefined
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

export async function authorizeCaller(caller: KubeletCaller, verb: string, route: Route, authorize: AuthorizeCaller): Promise<void> {
  const subresources = subresourcesOf(route)
  for (const subresource of subresources) if (await authorize(caller, { verb, subresource })) return
  throw new HttpError(403, `Forbidden (user=${caller.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`)
}
