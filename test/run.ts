/**
 * Runs the test suites one after the other and closes with the plain line `N passed, N failed`.
 * `node test/run.ts [unit|integration|e2e …]`; all of them unless named.
 */
import { globSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { findTool } from '../src/cluster/kubernetesTools.ts'

interface Suite {
  files: readonly string[]
  /** Test files that run at the same time. */
  concurrency: number
  timeoutMs: number
}

const root = join(import.meta.dirname, '..')

const SUITES: Record<string, Suite> = {
  unit: { files: ['src/**/*.test.ts', 'test/*.test.ts', 'test/unit/**/*.test.ts'], concurrency: 2, timeoutMs: 120_000 },
  integration: {
    files: ['test/integration/**/*.test.ts', 'test/fuzz/**/*.test.ts', 'test/model/**/*.test.ts'],
    concurrency: 2,
    timeoutMs: 300_000,
  },
  e2e: { files: ['test/e2e/**/*.test.ts'], concurrency: 1, timeoutMs: 1_200_000 },
}

interface Tally {
  passed: number
  failed: number
  skipped: string[]
}

async function runSuite(name: string, suite: Suite, tally: Tally): Promise<void> {
  const files = suite.files.flatMap((pattern) => globSync(pattern, { cwd: root })).sort()
  console.log(`\n# ${name}: ${files.length} files`)
  const stream = run({ files: files.map((file) => join(root, file)), concurrency: suite.concurrency, timeout: suite.timeoutMs, cwd: root })
  stream.on('test:pass', (event) => {
    if (event.details?.type === 'suite') return
    if (event.skip) tally.skipped.push(`${event.name}: ${typeof event.skip === 'string' ? event.skip : 'no reason given'}`)
    else tally.passed++
  })
  stream.on('test:fail', (event) => {
    if (event.details?.type === 'suite') return
    tally.failed++
    console.log(`FAILED ${event.name} (${relative(root, event.file ?? '')})`)
  })
  const printed = stream.compose(spec())
  printed.pipe(process.stdout, { end: false })
  await new Promise((resolve, reject) => printed.on('end', resolve).on('error', reject))
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in SUITES))
if (unknown.length > 0) {
  console.error(`no such suite: ${unknown.join(', ')}; there are: ${Object.keys(SUITES).join(', ')}`)
  process.exit(2)
}
// Tests of the streaming protocols run a real kubectl where there is one.
process.env['KUBECTL'] ??= await findTool('kubectl').catch(() => '')
const tally: Tally = { passed: 0, failed: 0, skipped: [] }
for (const name of asked.length > 0 ? asked : Object.keys(SUITES)) await runSuite(name, SUITES[name] as Suite, tally)
for (const line of tally.skipped) console.log(`skipped: ${line}`)
console.log(`${tally.passed} passed, ${tally.failed} failed${tally.skipped.length > 0 ? `, ${tally.skipped.length} skipped` : ''}`)
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0
