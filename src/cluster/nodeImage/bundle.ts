/** The node process as one file: every module and the catalog in it, so that it starts without a `node_modules` tree. */
import { join } from 'node:path'
import { PROJECT_ROOT } from './sources.ts'

/** Packages that are CommonJS inside call `require` for Node's own modules. */
const BANNER = `import { createRequire as $createRequire } from 'node:module'
import { fileURLToPath as $fileURLToPath } from 'node:url'
import { dirname as $dirname } from 'node:path'
const require = $createRequire(import.meta.url)
const __filename = $fileURLToPath(import.meta.url)
const __dirname = $dirname(__filename)`

export async function bundleNode(entry = join(PROJECT_ROOT, 'src/node/main.ts')): Promise<Uint8Array> {
  const { build } = await import('esbuild')
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    banner: { js: BANNER },
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: false,
    legalComments: 'none',
    loader: { '.json': 'json', '.node': 'empty' },
    // ssh2 (of dockerode) asks for optional native parts and does without them.
    external: ['cpu-features', '*/sshcrypto.node'],
    logLevel: 'silent',
    absWorkingDir: PROJECT_ROOT,
  })
  const [output] = result.outputFiles
  if (!output) throw new Error(`esbuild wrote nothing for ${entry}`)
  return output.contents
}
