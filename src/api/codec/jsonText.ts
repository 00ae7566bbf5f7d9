/** Values as JSON text, as Go writes them: what could be taken for HTML, or for the end of a line, is escaped. */

const UNSAFE = /[<>&\u2028\u2029]/
const EVERY_UNSAFE = /[<>&\u2028\u2029]/g

export function jsonText(value: object): string {
  return safe(JSON.stringify(value))
}

/** For people. Metadata that was stored stands in the order of its type, with the version in its place. */
export function prettyJsonText(value: object): string {
  return safe(JSON.stringify(value, (key, member: unknown) => (key === 'metadata' ? metadataInOrder(member) : member), 2))
}

/** The characters stand in strings alone: nothing else of JSON has them. */
function safe(text: string): string {
  if (!UNSAFE.test(text)) return text
  return text.replace(EVERY_UNSAFE, (char) => `\\u${(char.codePointAt(0) as number).toString(16).padStart(4, '0')}`)
}

/** Of a stored object: its version stands where the type has it. */
export function metadataInOrder(metadata: unknown): unknown {
  if (typeof metadata !== 'object' || metadata === null || !('resourceVersion' in metadata)) return metadata
  const { name, generateName, namespace, selfLink, uid, resourceVersion, ...rest } = metadata as Record<string, unknown>
  return { name, generateName, namespace, selfLink, uid, resourceVersion, ...rest }
}
