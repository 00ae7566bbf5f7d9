/** A snapshot of a running control plane is a database that another one starts from. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { Connection } from '../bench/apiLoad.ts'
import { ControlPlaneProcess } from './controlPlaneProcess.ts'

const folder = mkdtempSync(join(tmpdir(), 'minicube-snapshot-test-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const PATH = '/api/v1/namespaces/default/configmaps'
const configMap = (name: string): Buffer => Buffer.from(JSON.stringify({ metadata: { name }, data: { a: 'b' } }))

async function withControlPlane(data: string, use: (connection: Connection) => Promise<void>): Promise<void> {
  const server = new ControlPlaneProcess(join(folder, `${data}.kubeconfig`), ['--data', join(folder, data), '--controllers='])
  await server.start()
  const connection = new Connection(server.target)
  try {
    await use(connection)
  } finally {
    connection.close()
    await server.kill('SIGTERM')
  }
}

it('a control plane goes on from a snapshot of another one', { timeout: 60_000 }, async () => {
  await withControlPlane('first', async (connection) => {
    await connection.request('POST', PATH, configMap('before'))
    const snapshot = await connection.request('GET', '/minicube/snapshot')
    await connection.request('POST', PATH, configMap('after'))
    mkdirSync(join(folder, 'second'))
    writeFileSync(join(folder, 'second/state.db'), snapshot)
  })
  await withControlPlane('second', async (connection) => {
    await connection.request('GET', `${PATH}/before`)
    await assert.rejects(connection.request('GET', `${PATH}/after`), /: 404 /)
    await connection.request('POST', PATH, configMap('again'))
  })
})

it('what is in memory alone has no snapshot, and says so', { timeout: 60_000 }, async () => {
  const server = new ControlPlaneProcess(join(folder, 'memory.kubeconfig'), ['--data', 'memory', '--controllers='])
  await server.start()
  const connection = new Connection(server.target)
  try {
    await assert.rejects(connection.request('GET', '/minicube/snapshot'), /: 501 .*in memory alone/s)
  } finally {
    connection.close()
    await server.kill('SIGTERM')
  }
})
