/** The static token file of upstream's --token-auth-file: `token,user,uid[,"group1,group2"]`, a line each. */
import type { UserInfo } from '../apiserver/request.ts'

export class TokenFileError extends Error {}

/** The fields of one line of CSV; a quoted one may hold commas, and doubled quotes. */
function fieldsOf(line: string): string[] {
  const fields: string[] = []
  for (const [, quoted, plain] of line.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g)) {
    fields.push((quoted?.replaceAll('""', '"') ?? plain ?? '').trim())
  }
  // The pattern also matches nothing at the very end.
  if (!line.endsWith(',')) fields.pop()
  return fields
}

/** Throws a TokenFileError that names the line and none of its contents. */
export function parseTokenFile(text: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>()
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [token = '', name = '', uid = '', groups = '', ...more] = fieldsOf(line)
    if (token === '' || name === '' || more.length > 0)
      throw new TokenFileError(`line ${at + 1} of the token file must be token,user,uid and optionally groups`)
    if (users.has(token)) throw new TokenFileError(`line ${at + 1} of the token file repeats a token`)
    const wanted = groups
      .split(',')
      .map((group) => group.trim())
      .filter(Boolean)
    users.set(token, { name, ...(uid && { uid }), groups: wanted, extra: {} })
  }
  return users
}
