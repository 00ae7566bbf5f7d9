/** /logs/: the files below the node's log directory, and lists of them (Go's file server, whose pages browsers and scripts read). */
import { createReadStream } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { basename, join, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { HttpError } from './errors.ts'

export const NODE_LOG_DIRECTORY = '/var/log'
const PAGE_HEAD = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n'

function notFound(): HttpError {
  return new HttpError(404, '404 page not found\n')
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** The real place of a path, which must lie below the directory: a link out of it leads nowhere. */
async function placeOf(directory: string, path: string): Promise<string> {
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    throw notFound()
  }
  if (decoded.includes('\0') || decoded.split('/').includes('..')) throw notFound()
  try {
    const [root, place] = await Promise.all([realpath(directory), realpath(join(directory, decoded))])
    if (place === root || place.startsWith(root + sep)) return place
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP' && code !== 'ENAMETOOLONG') throw error
  }
  throw notFound()
}

/** `path` is what follows /logs/, as the request has it. */
export async function serveNodeLogs(directory: string, path: string, response: ServerResponse, signal: AbortSignal): Promise<void> {
  const place = await placeOf(directory, path)
  const info = await stat(place)
  if (info.isDirectory()) {
    if (path !== '' && !path.endsWith('/')) {
      return void response.writeHead(301, { Location: `${encodeURIComponent(basename(place))}/` }).end()
    }
    const entries = await readdir(place, { withFileTypes: true })
    const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
    const links = names.map(
      (name) => `<a href="${encodeURI(name).replaceAll('?', '%3F').replaceAll('#', '%23')}">${escapeHtml(name)}</a>\n`,
    )
    return void response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(`${PAGE_HEAD}${links.join('')}</pre>\n`)
  }
  if (!info.isFile()) throw notFound()
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': info.size })
  // A log that grows meanwhile ends where it was.
  if (info.size === 0) return void response.end()
  await pipeline(createReadStream(place, { end: info.size - 1 }), response, { signal })
}
