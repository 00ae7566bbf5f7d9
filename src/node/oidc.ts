/** The provider of users' tokens, by upstream's --oidc-* flags; what they leave out is as upstream has it. */
import { readFileSync } from 'node:fs'
import type { ComponentOptions } from '../api/componentOptions.ts'
import type { OidcOptions } from '../apiserver/authentication/oidc.ts'

/** Undefined where there is none. A file is named, or its contents are given. */
export function oidcOptions(flags: ComponentOptions['apiserver']): OidcOptions | undefined {
  const { 'oidc-issuer-url': issuerUrl, 'oidc-client-id': clientId, 'oidc-ca-file': ca, 'oidc-groups-claim': groupsClaim } = flags
  if (issuerUrl === undefined || clientId === undefined) return undefined
  const usernameClaim = flags['oidc-username-claim'] ?? 'sub'
  // Only addresses are taken to be nobody else's.
  const usernamePrefix = flags['oidc-username-prefix'] ?? (usernameClaim === 'email' ? '' : `${issuerUrl}#`)
  return {
    issuerUrl,
    clientId,
    ...(ca !== undefined && { ca: ca.includes('\n') ? ca : readFileSync(ca, 'utf8') }),
    usernameClaim,
    usernamePrefix: usernamePrefix === '-' ? '' : usernamePrefix,
    ...(groupsClaim !== undefined && { groupsClaim }),
    groupsPrefix: flags['oidc-groups-prefix'] ?? '',
    requiredClaims: flags['oidc-required-claim'] ?? {},
    signingAlgs: flags['oidc-signing-algs'] ?? ['RS256'],
  }
}
