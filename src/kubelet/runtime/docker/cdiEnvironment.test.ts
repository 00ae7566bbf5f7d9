import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { cdiEnvironment } from './cdiEnvironment.ts'

test('devices bring the variables of their descriptions: those of all devices of the kind, their own, and of two descriptions the later', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'cdi-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  const folders = ['first', 'second', 'none'].map((name) => join(root, name))
  for (const folder of folders.slice(0, 2)) await mkdir(folder)
  const leds = (color: string): object => ({
    cdiVersion: '0.5.0',
    kind: 'example.com/led',
    containerEdits: { env: ['LED=some', 'EMPTY'] },
    devices: [
      { name: 'a', containerEdits: { env: [`COLOR=${color}=bright`] } },
      { name: 'b', containerEdits: {} },
    ],
  })
  await writeFile(join(root, 'first/leds.json'), JSON.stringify(leds('red')))
  await writeFile(join(root, 'first/broken.json'), '{')
  await writeFile(join(root, 'first/note.txt'), JSON.stringify(leds('none')))
  const yaml = 'kind: example.com/fan\ndevices:\n- name: "1"\n  containerEdits:\n    env: [FAN=on]\n'
  await writeFile(join(root, 'second/fans.yaml'), yaml)
  const of = async (...names: string[]): Promise<object> => Object.fromEntries(await cdiEnvironment(names, folders))
  assert.deepEqual(await of('example.com/led=a', 'example.com/fan=1'), { LED: 'some', EMPTY: '', COLOR: 'red=bright', FAN: 'on' })
  assert.deepEqual(await of('example.com/led=b', 'example.com/led=c', 'other.com/led=a'), { LED: 'some', EMPTY: '' })
  await writeFile(join(root, 'second/leds.json'), JSON.stringify(leds('blue')))
  assert.deepEqual(await of('example.com/led=a'), { LED: 'some', EMPTY: '', COLOR: 'blue=bright' })
})
