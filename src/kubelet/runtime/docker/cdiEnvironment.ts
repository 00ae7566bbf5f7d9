/**
 * The variables that devices of the Container Device Interface bring. The engine gives them to a container's first program by
 * itself, and not to those that are run in it later. Pure but for the reading of the descriptions.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseYaml } from '../../../api/codec/yaml.ts'

/** Where the engine looks; what is in a later one counts. */
const FOLDERS = ['/etc/cdi', '/var/run/cdi']
const DESCRIPTION = /\.(?:json|yaml)$/

interface Edits {
  env?: string[]
}

interface Description {
  kind?: string
  containerEdits?: Edits
  devices?: { name?: string; containerEdits?: Edits }[]
}

async function descriptionsIn(folder: string): Promise<Description[]> {
  const names = await readdir(folder).catch(() => [])
  const read = async (name: string): Promise<Description[]> => {
    try {
      // JSON is YAML, too.
      return [parseYaml(await readFile(join(folder, name), 'utf8')).value as Description]
    } catch {
      // The engine says what is wrong with it, if it is needed.
      return []
    }
  }
  return (
    await Promise.all(
      names
        .filter((name) => DESCRIPTION.test(name))
        .toSorted()
        .map(read),
    )
  ).flat()
}

const pairs = (edits: Edits | undefined): [name: string, value: string][] =>
  (edits?.env ?? []).map((text) => {
    const at = text.indexOf('=')
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
  })

/** `devices` are fully qualified names: `vendor.com/class=name`. */
export async function cdiEnvironment(devices: readonly string[], folders: readonly string[] = FOLDERS): Promise<Map<string, string>> {
  const described = (await Promise.all(folders.map(descriptionsIn))).flat()
  const environment = new Map<string, string>()
  const add = (edits: Edits | undefined): void => {
    for (const [name, value] of pairs(edits)) environment.set(name, value)
  }
  for (const device of devices) {
    const [kind, name] = device.split('=')
    const found = described.findLast((one) => one.kind === kind && one.devices?.some((each) => each.name === name))
    add(found?.containerEdits)
    add(found?.devices?.find((each) => each.name === name)?.containerEdits)
  }
  return environment
}
