/**
 * Options that name a file. One on this machine goes into the node by its contents, as part of the profile: so it is there again
 * after every start, and a change of it is a change of the options. What is no file here is one in the node.
 */
import { readFileSync, statSync } from 'node:fs'
import type { ExtraConfig } from '../api/componentOptions.ts'
import { usageError } from './userError.ts'

/** The node gets its configuration by its environment, a variable of which holds 128 KiB at most on Linux. */
const FILE_SIZE_MAX_BYTES = 64 * 1_024

function contentsOf(option: string, path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found?.isFile()) return undefined
  if (found.size > FILE_SIZE_MAX_BYTES)
    throw usageError(`--extra-config: ${option}: ${path} has ${found.size} bytes`, `It may have ${FILE_SIZE_MAX_BYTES} at most.`)
  // A text of one line would be taken for a path.
  const text = readFileSync(path, 'utf8')
  return text.includes('\n') ? text : `${text}\n`
}

const FILES = [
  ['scheduler', 'config'],
  ['apiserver', 'oidc-ca-file'],
  ['apiserver', 'authentication-config'],
  ['apiserver', 'authorization-config'],
  ['apiserver', 'encryption-provider-config'],
] as const

export function withFileContents(given: ExtraConfig): ExtraConfig {
  let config = given
  for (const [component, option] of FILES) {
    const path = given[component]?.[option]
    const text = path === undefined || path.includes('\n') ? undefined : contentsOf(`${component}.${option}`, path)
    if (text !== undefined) config = { ...config, [component]: { ...config[component], [option]: text } }
  }
  return config
}
