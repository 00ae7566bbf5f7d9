import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import tar from 'tar-stream'
import { archiveWithout, filesToLeaveOut, readImageArchive, type ImageArchive } from './imageLayers.ts'

const folder = mkdtempSync(join(tmpdir(), 'image-layers-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('files of layers that are there, on the layers that they stand on, are left out', () => {
  const one = { diffIds: ['a', 'b'], files: ['1', '2'] }
  const none = new Map<string, string>()
  const cases: [what: string, archive: ImageArchive, present: string[], expected: string[]][] = [
    ['nothing is there', { images: [one], links: none }, [], []],
    ['the lower layer is there', { images: [one], links: none }, ['a'], ['1']],
    ['all are there', { images: [one], links: none }, ['a', 'a b'], ['1', '2']],
    ['the same content on another layer is another layer', { images: [one], links: none }, ['b'], []],
    ['another image needs the file', { images: [one, { diffIds: ['b'], files: ['2'] }], links: none }, ['a', 'a b'], ['1']],
    ['a link to it is needed', { images: [one, { diffIds: ['x', 'a'], files: ['3', '4'] }], links: new Map([['4', '1']]) }, ['a'], []],
  ]
  for (const [what, archive, present, expected] of cases)
    assert.deepEqual([...filesToLeaveOut(archive, new Set(present))].sort(), expected, what)
})

async function archiveOf(name: string, files: Record<string, string>): Promise<string> {
  const pack = tar.pack()
  for (const [path, content] of Object.entries(files)) pack.entry({ name: path }, content)
  pack.finalize()
  const path = join(folder, name)
  writeFileSync(path, await buffer(pack as unknown as NodeJS.ReadableStream))
  return path
}

async function namesIn(archive: NodeJS.ReadableStream): Promise<string[]> {
  const names: string[] = []
  const extract = tar.extract()
  archive.pipe(extract as unknown as NodeJS.WritableStream)
  for await (const entry of extract) {
    names.push(`${entry.header.name}:${(await buffer(entry)).toString()}`)
  }
  return names
}

test('an archive is read, and copied without some of its files', async () => {
  const path = await archiveOf('good.tar', {
    'l1/layer.tar': 'one',
    'l2/layer.tar': 'two',
    'c.json': '{"rootfs":{"diff_ids":["sha256:1","sha256:2"]}}',
    'manifest.json': '[{"Config":"c.json","Layers":["l1/layer.tar","l2/layer.tar"]}]',
  })
  const archive = await readImageArchive(path)
  assert.deepEqual(archive?.images, [{ diffIds: ['sha256:1', 'sha256:2'], files: ['l1/layer.tar', 'l2/layer.tar'] }])
  const names = await namesIn(archiveWithout(path, new Set(['l1/layer.tar'])))
  assert.deepEqual(
    names.map((name) => name.split(':')[0]),
    ['l2/layer.tar', 'c.json', 'manifest.json'],
  )
  assert.equal(names[0], 'l2/layer.tar:two')
})

test('what is no archive of images is left to the engine', async () => {
  const text = join(folder, 'text')
  writeFileSync(text, 'no archive at all'.repeat(100))
  assert.equal(await readImageArchive(text), undefined)
  const odd = { 'c.json': '{"rootfs":{"diff_ids":["sha256:1"]}}', 'manifest.json': '[{"Config":"c.json","Layers":[]}]' }
  assert.equal(await readImageArchive(await archiveOf('odd.tar', odd)), undefined)
})
