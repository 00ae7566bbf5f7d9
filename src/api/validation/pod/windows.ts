/** Windows' own security options. */
import { check, invalid } from '../fieldErrors.ts'
import { isDns1123Subdomain } from '../names.ts'
import { eachContainer } from './scope.ts'
import type { PodSpec, WindowsSecurityContextOptions } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

const CREDENTIAL_SPEC_LIMIT_KIB = 64
const DOMAIN_LIMIT = 256
const USER_LIMIT = 104
const CONTROL_RE = /[^\x20-\x7e\x80-\u{10ffff}]/u
const NETBIOS_RE = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/
const DNS_LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?'
const DNS_RE = new RegExp(`^${DNS_LABEL}(?:\\.${DNS_LABEL})*$`)
const USER_CHARS_RE = /["/\\:;|=,+*?<>@[\]]/
const DOTS_SPACES_RE = /^[. ]+$/

function userNameErrors(name: string): string[] {
  if (name === '') return ['runAsUserName cannot be an empty string']
  if (CONTROL_RE.test(name)) return ['runAsUserName cannot contain control characters']
  const parts = name.split('\\')
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash']
  const user = parts.at(-1) as string
  const domain = parts.length === 2 ? parts[0] : undefined
  const errors: string[] = []
  if (Buffer.byteLength(domain ?? '') >= DOMAIN_LIMIT) errors.push(`runAsUserName's Domain length must be under ${DOMAIN_LIMIT} characters`)
  if (domain !== undefined && !NETBIOS_RE.test(domain) && !DNS_RE.test(domain))
    errors.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
  if (user === '') errors.push("runAsUserName's User cannot be empty")
  else if (Buffer.byteLength(user) > USER_LIMIT) errors.push(`runAsUserName's User length must not be longer than ${USER_LIMIT} characters`)
  if (DOTS_SPACES_RE.test(user)) errors.push("runAsUserName's User cannot contain only periods or spaces")
  if (USER_CHARS_RE.test(user)) errors.push('runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]')
  return errors
}

export function checkWindowsOptions(errors: FieldError[], options: WindowsSecurityContextOptions, path: string): void {
  const { gmsaCredentialSpecName, gmsaCredentialSpec, runAsUserName } = options
  if (gmsaCredentialSpecName !== undefined)
    check(errors, `${path}.gmsaCredentialSpecName`, gmsaCredentialSpecName, isDns1123Subdomain(gmsaCredentialSpecName))
  if (gmsaCredentialSpec !== undefined) {
    const field = `${path}.gmsaCredentialSpec`
    if (gmsaCredentialSpec === '') errors.push(invalid(field, gmsaCredentialSpec, 'gmsaCredentialSpec cannot be an empty string'))
    else if (Buffer.byteLength(gmsaCredentialSpec) > CREDENTIAL_SPEC_LIMIT_KIB * 1024) {
      errors.push(invalid(field, gmsaCredentialSpec, `gmsaCredentialSpec size must be under ${CREDENTIAL_SPEC_LIMIT_KIB} KiB`))
    }
  }
  if (runAsUserName !== undefined) check(errors, `${path}.runAsUserName`, runAsUserName, userNameErrors(runAsUserName))
}

/** Containers that are processes of the host: all of a pod or none. */
export function checkHostProcess(errors: FieldError[], spec: PodSpec, path: string): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess
  let [all, hostProcesses] = [0, 0]
  eachContainer(spec, path, ({ securityContext }, at) => {
    all++
    const own = securityContext?.windowsOptions?.hostProcess
    if (ofPod !== undefined && own !== undefined && ofPod !== own) {
      const text = `pod hostProcess value must be identical if both are specified, was ${ofPod}`
      errors.push(invalid(`${at}.securityContext.windowsOptions.hostProcess`, own, text))
    }
    if (own ?? ofPod) hostProcesses++
  })
  if (hostProcesses === 0) return
  if (hostProcesses !== all)
    errors.push(invalid(path, '', 'If pod contains any hostProcess containers then all containers must be HostProcess containers'))
  if (!spec.hostNetwork)
    errors.push(invalid(`${path}.hostNetwork`, false, 'hostNetwork must be true if pod contains any hostProcess containers'))
}
