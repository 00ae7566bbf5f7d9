/**
 * `npm run oracle`: runs the recorded cases of a real 1.36 API server against ours and prints how many pass. The cases are not
 * part of this repository: MINICUBE_SHARED (or ../shared) names the folder that holds oracle/. Further arguments go to its runner.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { findTool } from '../src/cluster/kubernetesTools.ts'

const root = join(import.meta.dirname, '..')
const oracle = join(process.env['MINICUBE_SHARED'] ?? join(root, '../shared'), 'oracle')
if (!existsSync(join(oracle, 'run.mjs'))) {
  console.log(`skipped: there are no recorded cases at ${oracle}; set MINICUBE_SHARED to the folder that has oracle/`)
  process.exit(0)
}

/** The goldens were recorded with only these acting. */
const CONTROLLERS = [
  'namespace-controller',
  'serviceaccount-controller',
  'root-ca-certificate-publisher-controller',
  'garbage-collector-controller',
  'resourcequota-controller',
  'clusterrole-aggregation-controller',
  'persistentvolume-protection-controller',
  'persistentvolumeclaim-protection-controller',
  'certificatesigningrequest-signing-controller',
  'certificatesigningrequest-approving-controller',
  'certificatesigningrequest-cleaner-controller',
]

const folder = mkdtempSync(join(tmpdir(), 'minicube-oracle-'))
const kubeconfig = join(folder, 'kubeconfig')
const args = [
  'src/node/controlPlane.ts',
  '--listen',
  '127.0.0.1:0',
  '--data',
  'memory',
  '--kubeconfig',
  kubeconfig,
  '--controllers',
  CONTROLLERS.join(','),
]
const server = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
try {
  await once(createInterface({ input: server.stdout }), 'line')
  const cases = ['--corpus', join(oracle, 'corpus'), '--compare', join(oracle, 'golden')]
  const runner = spawn(
    process.execPath,
    [join(oracle, 'run.mjs'), '--kubeconfig', kubeconfig, '--kubectl', await findTool('kubectl'), ...cases, ...process.argv.slice(2)],
    { stdio: 'inherit' },
  )
  const [code] = (await once(runner, 'close')) as [number | null]
  process.exitCode = code ?? 1
} finally {
  server.kill('SIGTERM')
  rmSync(folder, { recursive: true, force: true })
}
