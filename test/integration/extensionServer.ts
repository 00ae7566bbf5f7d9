/** An extension API server for tests: one group version with one namespaced kind, behind the front proxy's certificate. */
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

export const GROUP = 'wardle.example.com'
export const VERSION = 'v1alpha1'
const GROUP_VERSION = `${GROUP}/${VERSION}`

export interface ExtensionServer {
  address: string
  port: number
  /** Who asked, as the front proxy told it. */
  users: { user: string; groups: string; extra: Record<string, string>; commonName: string; authorization: string }[]
  /** While true, discovery answers 500. */
  failing: boolean
  upgrades: Duplex[]
  close(): Promise<void>
}

/** An address of this machine that endpoints may have: not the loopback. */
export function ownAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal, address }) => family === 'IPv4' && !internal && !address.startsWith('169.254.'))?.address
}

const RESOURCE = {
  name: 'flunders',
  singularName: 'flunder',
  namespaced: true,
  kind: 'Flunder',
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list'],
}
const SCHEMA = { type: 'object', properties: { spec: { type: 'object', description: 'what the flunder is' } } }
const kinds = [{ group: GROUP, version: VERSION, kind: 'Flunder' }]

function documentsOf(path: string): object | undefined {
  const flunders = `/apis/${GROUP_VERSION}/namespaces/{namespace}/flunders`
  switch (path) {
    case `/apis/${GROUP_VERSION}`:
      return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: GROUP_VERSION, resources: [RESOURCE] }
    case '/openapi/v2':
      return {
        swagger: '2.0',
        info: { title: 'wardle', version: '1' },
        paths: {
          [flunders]: { get: { responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/Flunder' } } } } },
          '/version/': { get: { responses: {} } },
        },
        definitions: { Flunder: { ...SCHEMA, 'x-kubernetes-group-version-kind': kinds }, Unused: { type: 'object' } },
      }
    case '/openapi/v3':
      return {
        paths: {
          [`apis/${GROUP_VERSION}`]: { serverRelativeURL: `/openapi/v3/apis/${GROUP_VERSION}?hash=1` },
          version: { serverRelativeURL: '/openapi/v3/version?hash=2' },
        },
      }
    case `/openapi/v3/apis/${GROUP_VERSION}`:
      return {
        openapi: '3.0.0',
        info: { title: 'wardle', version: '1' },
        paths: {},
        components: { schemas: { Flunder: { ...SCHEMA, 'x-kubernetes-group-version-kind': kinds } } },
      }
    default:
      return undefined
  }
}

export async function startExtensionServer(options: {
  cert: string
  key: string
  frontProxyCa: string
  address: string
}): Promise<ExtensionServer> {
  const objects = new Map<string, object>()
  const server = createServer({
    cert: options.cert,
    key: options.key,
    ca: options.frontProxyCa,
    requestCert: true,
    rejectUnauthorized: true,
  })
  const state: ExtensionServer = {
    address: options.address,
    port: 0,
    users: [],
    failing: false,
    upgrades: [],
    close: async () => {
      for (const socket of state.upgrades) socket.destroy()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  const json = (response: ServerResponse, code: number, body: object): void => {
    response.writeHead(code, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  }
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'https://extension')
    const { headers } = request
    const extra = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-remote-extra-'))) as Record<
      string,
      string
    >
    const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject
    state.users.push({
      user: String(headers['x-remote-user']),
      groups: String(headers['x-remote-group']),
      extra,
      commonName: String(CN),
      authorization: String(headers.authorization ?? ''),
    })
    if (state.failing) return json(response, 500, {})
    const document = documentsOf(pathname)
    if (document) return json(response, 200, document)
    const flunders = new RegExp(`^/apis/${GROUP_VERSION}/namespaces/([^/]+)/flunders(?:/(.+))?$`).exec(pathname)
    if (!flunders) {
      if (pathname.endsWith('/away')) {
        response.writeHead(302, { location: 'https://elsewhere.example.com/' })
        response.end()
        return
      }
      return json(response, 404, { kind: 'Status', status: 'Failure', code: 404, reason: 'NotFound' })
    }
    const [, namespace = '', name = ''] = flunders
    if (request.method === 'POST') {
      const chunks: Buffer[] = []
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
      const object = JSON.parse(Buffer.concat(chunks).toString()) as { metadata: { name: string } }
      objects.set(`${namespace}/${object.metadata.name}`, object)
      return json(response, 201, object)
    }
    if (request.method === 'DELETE' && name) objects.delete(`${namespace}/${name}`)
    else if (request.method === 'DELETE') for (const key of objects.keys()) if (key.startsWith(`${namespace}/`)) objects.delete(key)
    const items = [...objects].filter(([key]) => key.startsWith(`${namespace}/`)).map(([, object]) => object)
    json(response, 200, { kind: 'FlunderList', apiVersion: GROUP_VERSION, metadata: { resourceVersion: '1' }, items })
  }
  server.on('request', (request, response) => void handle(request, response))
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    state.upgrades.push(socket)
    socket.on('error', () => {})
    if (request.url?.includes('refuse')) {
      socket.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nno')
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret'))
      return
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: Upgrade\r\n\r\n')
    socket.on('data', (data: Buffer) => socket.write(data))
  })
  await new Promise<void>((resolve) => server.listen(0, options.address, resolve))
  state.port = (server.address() as AddressInfo).port
  return state
}
