/**
 * Our entries in somebody's kubeconfig, as changes to its YAML document: comments, order and fields that are not ours stay.
 * Cluster, user and context all have the profile's name, as with minikube. Pure.
 */
import { Document, isMap, isScalar, isSeq, parseDocument, YAMLMap, YAMLSeq } from 'yaml'

export interface ClusterEntry {
  name: string
  server: string
  certificateAuthorityData: string
  clientCertificateData: string
  clientKeyData: string
}

export class KubeconfigSyntaxError extends Error {
  override readonly name = 'KubeconfigSyntaxError'
}

const LISTS = ['clusters', 'users', 'contexts'] as const
type List = (typeof LISTS)[number]

function parse(text: string): Document {
  const document: Document = parseDocument(text, { keepSourceTokens: false })
  const [error] = document.errors
  if (error) throw new KubeconfigSyntaxError(error.message)
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null))
    return new Document({ apiVersion: 'v1', kind: 'Config', preferences: {} })
  if (!isMap(document.contents)) throw new KubeconfigSyntaxError('it is not a mapping')
  const kind: unknown = document.get('kind')
  if (kind !== undefined && kind !== 'Config') throw new KubeconfigSyntaxError(`its kind is ${String(kind)}, not Config`)
  for (const list of LISTS) {
    const value: unknown = document.get(list)
    if (value !== undefined && value !== null && !isSeq(value)) throw new KubeconfigSyntaxError(`its ${list} are not a list`)
  }
  return document
}

/** A list that is indented below its key; kubectl writes it at the key's own depth. */
const INDENTED_LIST = /^( *)[\w-]+:[^\n]*\n(?: *#[^\n]*\n)*\1 +- /m

/** Long base64 lines must not be folded: some readers of kubeconfigs do not unfold them. What stays looks as it did `before`. */
function print(document: Document, before: string): string {
  return document.toString({ lineWidth: 0, indentSeq: INDENTED_LIST.test(before), flowCollectionPadding: /[[{] \S/.test(before) })
}

const nameOf = (item: unknown): unknown => (isMap(item) ? item.get('name') : undefined)

function putEntry(document: Document, list: List, name: string, key: string, value: object): void {
  const existing: unknown = document.get(list)
  const entries = isSeq(existing) ? existing : new YAMLSeq()
  if (entries !== existing) document.set(list, entries)
  // An empty list is written as [], and would stay on one line.
  entries.flow = false
  const entry = entries.items.find((item) => nameOf(item) === name)
  if (isMap(entry)) {
    entry.set(key, document.createNode(value))
    return
  }
  entries.add(document.createNode({ [key]: value, name }))
}

/** Adds our entries, or brings them up to date; a namespace that the user set in the context stays. */
export function putCluster(text: string, entry: ClusterEntry, options: { setCurrent: boolean }): string {
  const document = parse(text)
  const { name } = entry
  putEntry(document, 'clusters', name, 'cluster', { 'certificate-authority-data': entry.certificateAuthorityData, server: entry.server })
  putEntry(document, 'users', name, 'user', {
    'client-certificate-data': entry.clientCertificateData,
    'client-key-data': entry.clientKeyData,
  })
  putEntry(document, 'contexts', name, 'context', { cluster: name, ...namespaceOf(document, name), user: name })
  if (options.setCurrent) document.set('current-context', name)
  return print(document, text)
}

function namespaceOf(document: Document, name: string): { namespace?: string } {
  const contexts: unknown = document.get('contexts')
  const context = isSeq(contexts) ? contexts.items.find((item) => nameOf(item) === name) : undefined
  const namespace: unknown = isMap(context) ? context.getIn(['context', 'namespace']) : undefined
  return typeof namespace === 'string' ? { namespace } : {}
}

/** Takes our entries out; the current context too, if it is ours. The same text when there was none. */
export function removeCluster(text: string, name: string): string {
  const document = parse(text)
  let changed = false
  for (const list of LISTS) {
    const entries: unknown = document.get(list)
    if (!isSeq(entries)) continue
    const before = entries.items.length
    entries.items = entries.items.filter((item) => nameOf(item) !== name)
    if (entries.items.length === before) continue
    changed = true
    if (entries.items.length === 0) entries.flow = true
  }
  if (document.get('current-context') === name) {
    document.set('current-context', '')
    changed = true
  }
  return changed ? print(document, text) : text
}

export interface FoundCluster {
  server: string | undefined
  isCurrent: boolean
}

export function findCluster(text: string, name: string): FoundCluster | undefined {
  const document = parse(text)
  const find = (list: List): unknown => {
    const entries: unknown = document.get(list)
    return isSeq(entries) ? entries.items.find((item) => nameOf(item) === name) : undefined
  }
  const cluster = find('clusters')
  if (!(cluster instanceof YAMLMap) || !find('users') || !find('contexts')) return undefined
  const server: unknown = cluster.getIn(['cluster', 'server'])
  return { server: typeof server === 'string' ? server : undefined, isCurrent: document.get('current-context') === name }
}
