import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { checkedOutCommit, versionInfo } from './version.ts'

const COMMIT = '0123456789abcdef0123456789abcdef01234567'

async function gitDirectory(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'minicube-git-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  await mkdir(join(directory, 'refs/heads'), { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
  return directory
}

const tables: readonly [what: string, files: Record<string, string>, want: string][] = [
  ['a branch', { HEAD: 'ref: refs/heads/main\n', 'refs/heads/main': `${COMMIT}\n` }, COMMIT],
  [
    'a branch that git packed',
    { HEAD: 'ref: refs/heads/main\n', 'packed-refs': `# pack-refs\nffff refs/heads/maintenance\n${COMMIT} refs/heads/main\n` },
    COMMIT,
  ],
  ['no branch', { HEAD: `${COMMIT}\n` }, COMMIT],
  ['a branch without a commit', { HEAD: 'ref: refs/heads/main\n' }, ''],
  ['no checkout', {}, ''],
]
for (const [what, files, want] of tables)
  test(`the commit of ${what}`, async (t) => assert.equal(await checkedOutCommit(await gitDirectory(t, files)), want))

test('versions are whole ones', async () => {
  const { minicubeVersion, kubernetesVersion } = await versionInfo()
  assert.match(minicubeVersion, /^v\d+\.\d+\.\d+$/)
  assert.match(kubernetesVersion, /^v1\.\d+\.\d+$/)
})
