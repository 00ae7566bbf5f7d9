/** The node process as one file: every module and the catalog in it, so that it starts without a `node_modules` tree. */
import { basename, join } from 'node:path'
import type { BuildOptions, Plugin } from 'esbuild'
import { PROJECT_ROOT } from './sources.ts'

/** Packages that are CommonJS inside call `require` for Node's own modules. */
const BANNER = `import { createRequire as $createRequire } from 'node:module'
import { fileURLToPath as $fileURLToPath } from 'node:url'
import { dirname as $dirname } from 'node:path'
const require = $createRequire(import.meta.url)
const __filename = $fileURLToPath(import.meta.url)
const __dirname = $dirname(__filename)`

/**
 * dockerode's ways to engines that are elsewhere (SSH) and to BuildKit's sessions (gRPC): a node has its engine beside it. They
 * would be a third of the bundle, and are only looked into when called.
 */
const WAYS_NOT_TAKEN = /^(ssh2|@grpc\/grpc-js|@grpc\/proto-loader)$/

const withoutThem: Plugin = {
  name: 'ways-not-taken',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: WAYS_NOT_TAKEN }, ({ path }) => ({ path, namespace: 'absent' }))
    onLoad({ filter: /./, namespace: 'absent' }, () => ({ contents: 'module.exports = {}' }))
  },
}

/**
 * Importing `node:http` as a module reads each of its exports, and one of them is a getter that loads fetch and WebSocket: 30 ms
 * and 16 MB for nothing. `require` reads none.
 */
const httpByRequire: Plugin = {
  name: 'http-by-require',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === 'import-statement' ? { path: 'http', namespace: 'required' } : undefined,
    )
    onLoad({ filter: /./, namespace: 'required' }, ({ path }) => ({ contents: `module.exports = require('node:${path}')` }))
  },
}

async function bundle(entry: string, more: BuildOptions): Promise<Map<string, Uint8Array>> {
  const { build } = await import('esbuild')
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    banner: { js: BANNER },
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: false,
    legalComments: 'none',
    // Packages' ES modules lose what nobody imports; their CommonJS stays whole.
    mainFields: ['module', 'main'],
    loader: { '.json': 'json' },
    logLevel: 'silent',
    absWorkingDir: PROJECT_ROOT,
    ...more,
    write: false,
  })
  return new Map(result.outputFiles.map(({ path, text }) => [basename(path), Buffer.from(inAscii(text), 'latin1')]))
}

export async function bundleNode(entry = join(PROJECT_ROOT, 'src/node/main.ts')): Promise<Uint8Array> {
  const [output] = (await bundle(entry, { plugins: [withoutThem, httpByRequire] })).values()
  if (!output) throw new Error(`esbuild wrote nothing for ${entry}`)
  return output
}

/** The control plane alone: `main.mjs`, and a file for each part that is loaded when it is needed, such as etcd's client. */
export function bundleControlPlane(): Promise<Map<string, Uint8Array>> {
  return bundle(join(PROJECT_ROOT, 'src/node/controlPlane.ts'), {
    plugins: [httpByRequire],
    splitting: true,
    outdir: PROJECT_ROOT,
    entryNames: 'main',
    chunkNames: '[name]-[hash]',
    outExtension: { '.js': '.mjs' },
  })
}

/** A single character beyond ASCII makes V8 keep the whole source with two bytes a character. esbuild leaves those in regular expressions. */
function inAscii(source: string): string {
  return source.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
