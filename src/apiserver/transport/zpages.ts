/**
 * Pages about the server itself: `/statusz` (what runs here and since when) and `/flagz` (how it was started), as text for
 * people and as documents of config.k8s.io for those who ask for one (component-base zpages).
 */
import { encodeYaml } from '../../api/codec/yamlText.ts'
import { headerText } from './apiRequests.ts'
import type { PathHandler, RequestContext } from './filters.ts'
import { newNotAcceptable, parseAccept, wantsPretty } from './negotiation.ts'
import type { AcceptClause } from './negotiation.ts'
import { send } from './responses.ts'

export const FLAGS_PATH = '/flagz'
const TEXT = 'text/plain; charset=utf-8'
const REPRESENTATIONS = 'application/json, application/yaml, text/plain'
const VERSIONS = new Set(['v1alpha1', 'v1beta1'])
const CAUTION =
  'This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.'

export interface Page {
  /** `Statusz`, `Flagz`: the kind of its document. */
  kind: string
  /** Of the text, without its heading. */
  lines: readonly string[]
  /** Of the document, besides its metadata. */
  fields: object
}

interface Chosen {
  type: 'text/plain' | 'application/json' | 'application/yaml'
  /** Of the document; '' for text. */
  version: string
}

function chosenOf({ type, params }: AcceptClause, kind: string): Chosen | undefined {
  if (type === '*/*' || type === 'text/*' || type === 'text/plain') return { type: 'text/plain', version: '' }
  if (type !== 'application/json' && type !== 'application/yaml') return undefined
  const { as, g, v = '' } = params
  return as === kind && g === 'config.k8s.io' && VERSIONS.has(v) ? { type, version: v } : undefined
}

/** Throws 406. */
export function negotiatePage(accept: string, kind: string): Chosen {
  if (accept.trim() === '') return { type: 'text/plain', version: '' }
  for (const clause of parseAccept(accept)) {
    const chosen = chosenOf(clause, kind)
    if (chosen) return chosen
  }
  throw newNotAcceptable(REPRESENTATIONS)
}

export async function sendPage({ exchange, query }: RequestContext, { kind, lines, fields }: Page): Promise<void> {
  const { type, version } = negotiatePage(headerText(exchange, 'accept'), kind)
  const name = kind.toLowerCase()
  if (type === 'text/plain') {
    const text = ['', `apiserver ${name}`, `Warning: ${CAUTION}`, ...lines, ''].join('\n')
    return void (await send(exchange, 200, TEXT, Buffer.from(text)))
  }
  const deprecated = `This version of the ${name} endpoint is deprecated. Please use a newer version.`
  if (version === 'v1alpha1') exchange.setHeader('warning', `299 - ${JSON.stringify(deprecated)}`)
  const document = { kind, apiVersion: `config.k8s.io/${version}`, metadata: { name: 'apiserver' }, ...fields }
  const isPretty = wantsPretty(query, headerText(exchange, 'user-agent'))
  const json = (): string => (isPretty ? JSON.stringify(document, undefined, 2) : `${JSON.stringify(document)}\n`)
  const text = type === 'application/yaml' ? encodeYaml(document) : json()
  await send(exchange, 200, `${type};g=config.k8s.io;v=${version};as=${kind}`, Buffer.from(text))
}

/** `/flagz`: the flags that are in force, by upstream's names, each as its flag would show it. */
export class FlagsPath implements PathHandler {
  readonly #flags: Readonly<Record<string, string>>

  constructor(flags: Readonly<Record<string, string>>) {
    this.#flags = Object.fromEntries(Object.entries(flags).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  async handle(context: RequestContext): Promise<boolean> {
    if (context.path !== FLAGS_PATH) return false
    const lines = Object.entries(this.#flags).map(([name, value]) => `${name}:${value}`)
    await sendPage(context, { kind: 'Flagz', lines, fields: { flags: this.#flags } })
    return true
  }
}
