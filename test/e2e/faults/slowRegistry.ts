/**
 * A registry (the distribution API, version 2) that runs inside the node: images below `endless/` trickle for ever, all others
 * are an empty layer. `/open` answers how many blobs are being sent, `/quit` ends it. Argument: host:port to listen on.
 */
import { createHash } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'

const TRICKLE_MS = 200
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const tar = Buffer.alloc(1024)
const layer = gzipSync(tar)
const configOf = (diffId: string): Buffer =>
  Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [diffId] } }))
const config = configOf(digestOf(tar))
const known = new Map([layer, config].map((bytes) => [digestOf(bytes), bytes]))
let open = 0

function manifestOf(path: string): Buffer {
  const isEndless = path.includes('/endless/')
  // What never arrives may have any digest, but each image one of its own: equal layers share a download.
  const contents = isEndless ? configOf(digestOf(Buffer.from(`diff ${path}`))) : config
  known.set(digestOf(contents), contents)
  const digests = { config: digestOf(contents), layer: digestOf(isEndless ? Buffer.from(`layer ${path}`) : layer) }
  const size = isEndless ? 100_000_000 : layer.length
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: contents.length, digest: digests.config },
      layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size, digest: digests.layer }],
    }),
  )
}

function trickle(response: ServerResponse): void {
  open++
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': 100_000_000 })
  const timer = setInterval(() => response.write('x'), TRICKLE_MS)
  response.on('close', () => {
    clearInterval(timer)
    open--
  })
}

const manifests = new Map<string, Buffer>()
const [host = '', port = ''] = (process.argv[2] ?? '').split(':')
const server = createServer((request, response) => {
  const path = request.url ?? ''
  const [, digest = ''] = /\/blobs\/(.+)$/.exec(path) ?? []
  const [, repository = '', reference = ''] = /^(\/v2\/.+)\/manifests\/(.+)$/.exec(path) ?? []
  if (path === '/open') response.end(String(open))
  else if (path === '/quit') response.end(() => process.exit(0))
  else if (path === '/v2/') response.writeHead(200, { 'Docker-Distribution-Api-Version': 'registry/2.0' }).end()
  else if (reference) {
    const manifest = manifests.get(reference) ?? manifestOf(`${repository}/`)
    manifests.set(digestOf(manifest), manifest)
    response.writeHead(200, { 'Content-Type': MANIFEST, 'Content-Length': manifest.length, 'Docker-Content-Digest': digestOf(manifest) })
    response.end(request.method === 'HEAD' ? undefined : manifest)
  } else if (digest) {
    const bytes = known.get(digest)
    if (bytes) response.writeHead(200, { 'Content-Length': bytes.length }).end(bytes)
    else trickle(response)
  } else response.writeHead(404).end()
})
server.listen(Number(port), host)
