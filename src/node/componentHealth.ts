/** Tells the host how the components are (`minicube tree`), on a unix socket that only root in the node reaches. */
import { createServer, type Server } from 'node:http'
import { rmSync } from 'node:fs'
import { once } from 'node:events'
import type { ComponentHealth } from '../base/component.ts'

export async function serveComponentHealth(path: string, health: () => readonly ComponentHealth[]): Promise<Server> {
  rmSync(path, { force: true })
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(health()))
  })
  server.listen(path)
  await once(server, 'listening')
  return server
}
