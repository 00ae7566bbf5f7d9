import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { UserError } from '../userError.ts'
import type { ClusterEntry } from './document.ts'
import { kubeconfigPath, lookUpKubeconfig, mergeKubeconfig, removeFromKubeconfig } from './file.ts'

const entry: ClusterEntry = {
  name: 'minicube',
  server: 'https://127.0.0.1:1',
  certificateAuthorityData: 'QQ==',
  clientCertificateData: 'Qg==',
  clientKeyData: 'Qw==',
}
const folders: string[] = []
let home = ''
const signal = AbortSignal.timeout(30_000)

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'kubeconfig-'))
  folders.push(home)
})
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))))

test('~/.kube/config is made with mode 600, and nothing is left beside it', async () => {
  const path = await mergeKubeconfig(entry, { env: {}, home, signal })
  assert.equal(path, join(home, '.kube', 'config'))
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(join(home, '.kube')), ['config'])
  assert.deepEqual(await lookUpKubeconfig('minicube', { env: {}, home }), { server: entry.server, isCurrent: true })
})

test('of the files in KUBECONFIG, the first that exists gets the entries', async () => {
  const env = { KUBECONFIG: `${home}/absent:${home}/there:${home}/last` }
  await writeFile(join(home, 'there'), '')
  assert.equal(await kubeconfigPath({ env, home }), join(home, 'there'))
  await rm(join(home, 'there'))
  assert.equal(await kubeconfigPath({ env, home }), join(home, 'last'))
})

test('a broken file is refused and untouched', async () => {
  const path = join(home, 'broken')
  await writeFile(path, 'clusters: [\n')
  await assert.rejects(
    mergeKubeconfig(entry, { env: { KUBECONFIG: path }, home, signal }),
    (error) => error instanceof UserError && error.exitCode === 38,
  )
  assert.equal(await readFile(path, 'utf8'), 'clusters: [\n')
  assert.deepEqual(await readdir(home), ['broken'])
})

test('a folder is told as one', async () => {
  await assert.rejects(
    mergeKubeconfig(entry, { env: { KUBECONFIG: home }, home, signal }),
    (error) => error instanceof UserError && error.exitCode === 38 && error.message.endsWith('is a folder'),
  )
})

test('a symbolic link stays one', async () => {
  await writeFile(join(home, 'real'), 'kind: Config\n')
  await symlink(join(home, 'real'), join(home, 'link'))
  await mergeKubeconfig(entry, { env: { KUBECONFIG: join(home, 'link') }, home, signal })
  assert.match(await readFile(join(home, 'real'), 'utf8'), /name: minicube/)
})

test('removal leaves other clusters, and a second one changes nothing', async () => {
  const options = { env: {}, home, signal }
  const path = await mergeKubeconfig(entry, options)
  await mergeKubeconfig({ ...entry, name: 'other' }, options)
  await removeFromKubeconfig('minicube', options)
  const text = await readFile(path, 'utf8')
  assert.equal((parse(text) as { 'current-context': string })['current-context'], 'other')
  await removeFromKubeconfig('minicube', options)
  assert.equal(await readFile(path, 'utf8'), text)
})

test('writers in several processes lose nothing', async () => {
  const path = join(home, 'config')
  const script = `
    import { mergeKubeconfig } from ${JSON.stringify(new URL('./file.ts', import.meta.url).href)}
    for (let i = 0; i < 5; i++)
      await mergeKubeconfig({ ...${JSON.stringify(entry)}, name: process.argv[1] + i }, { env: { KUBECONFIG: ${JSON.stringify(path)} }, signal: AbortSignal.timeout(30000) })`
  const run = promisify(execFile)
  await Promise.all(['a', 'b', 'c', 'd'].map((name) => run(process.execPath, ['--input-type=module', '-e', script, name])))
  const names = (parse(await readFile(path, 'utf8')) as { contexts: { name: string }[] }).contexts.map((context) => context.name)
  assert.deepEqual(
    names.toSorted(),
    ['a', 'b', 'c', 'd'].flatMap((name) => [0, 1, 2, 3, 4].map((index) => `${name}${index}`)),
  )
})

test("kubectl's lock, a file, is waited for", async () => {
  const path = join(home, 'config')
  await writeFile(`${path}.lock`, '')
  const merged = mergeKubeconfig(entry, { env: { KUBECONFIG: path }, home, signal })
  await assert.rejects(stat(path))
  await rm(`${path}.lock`)
  assert.equal(await merged, path)
})

test('an abort ends the wait for a lock', async () => {
  const path = join(home, 'config')
  await mkdir(`${path}.lock`)
  const controller = new AbortController()
  const merged = mergeKubeconfig(entry, { env: { KUBECONFIG: path }, home, signal: controller.signal })
  controller.abort()
  await assert.rejects(merged, { name: 'AbortError' })
})

/** As a user whom modes hold. */
function mergeAsNobody(path: string, check: 'checkKubeconfig' | 'mergeKubeconfig'): string {
  const script = `
    import { ${check} } from ${JSON.stringify(new URL('./file.ts', import.meta.url).href)}
    process.setuid?.(65534)
    const options = { env: { KUBECONFIG: ${JSON.stringify(path)} }, signal: AbortSignal.timeout(30000) }
    await ${check === 'checkKubeconfig' ? 'checkKubeconfig(options)' : `mergeKubeconfig(${JSON.stringify(entry)}, options)`}.then(
      () => console.log('written'),
      (error) => console.log(error.id + ': ' + error.message),
    )`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout.trim()
}

const isRoot = process.getuid?.() === 0

test(
  'one that its owner made read-only is refused before and after, and stays',
  { skip: !isRoot && 'only root can act for somebody else' },
  async () => {
    const path = join(home, 'config')
    await writeFile(path, 'kind: Config\n', { mode: 0o400 })
    await chmod(home, 0o777)
    await chown(path, 65_534, 65_534)
    for (const check of ['checkKubeconfig', 'mergeKubeconfig'] as const)
      assert.match(mergeAsNobody(path, check), /^HOST_PERMISSION: the kubeconfig .* cannot be used: EACCES/)
    assert.equal(await readFile(path, 'utf8'), 'kind: Config\n')
  },
)

test(
  'a folder that cannot be written to is told before anything is made',
  { skip: !isRoot && 'only root can act for somebody else' },
  async () => {
    await chmod(home, 0o755)
    assert.match(mergeAsNobody(join(home, 'config'), 'checkKubeconfig'), /^HOST_PERMISSION: the kubeconfig .* cannot be used: EACCES/)
    assert.match(mergeAsNobody(join(home, 'none', 'config'), 'checkKubeconfig'), /^HOST_PERMISSION: /)
  },
)

test('what root writes for somebody stays theirs', { skip: !isRoot && 'only root can give files away' }, async () => {
  const path = join(home, 'config')
  await writeFile(path, 'kind: Config\n')
  await chown(path, 65_534, 65_533)
  await mergeKubeconfig(entry, { env: { KUBECONFIG: path }, home, signal })
  const { uid, gid } = await stat(path)
  assert.deepEqual([uid, gid], [65_534, 65_533])
})
