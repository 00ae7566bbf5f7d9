/** Whose tokens are taken besides the server's own: by upstream's --authentication-config, or by its --oidc-* flags. */
import { readFileSync } from 'node:fs'
import type { ComponentOptions } from '../api/componentOptions.ts'
import { ConfigurationFileError } from '../apiserver/configuration/configurationFile.ts'
import { parseAuthenticationConfiguration } from '../apiserver/authentication/jwtConfiguration.ts'
import type { AnonymousConfiguration, JwtIssuer } from '../apiserver/authentication/jwtConfiguration.ts'
import { ALL_SIGNING_ALGORITHMS, JwtTokens } from '../apiserver/authentication/jwtTokens.ts'
import type { Metrics } from '../apiserver/metrics/metrics.ts'
import { JwtMetrics } from '../apiserver/metrics/jwtMetrics.ts'
import { deepEqual } from '../api/meta.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { FollowedFile, isContents } from './followedFile.ts'

/** The issuer that the --oidc-* flags describe; what they leave out is as upstream has it. A file is named, or its contents are given. */
export function oidcIssuer(flags: ComponentOptions['apiserver']): JwtIssuer | undefined {
  const { 'oidc-issuer-url': url, 'oidc-client-id': clientId, 'oidc-ca-file': ca, 'oidc-groups-claim': groupsClaim } = flags
  if (url === undefined || clientId === undefined) return undefined
  const usernameClaim = flags['oidc-username-claim'] ?? 'sub'
  // Only addresses are taken to be nobody else's.
  const prefix = flags['oidc-username-prefix'] ?? (usernameClaim === 'email' ? '' : `${url}#`)
  const certificateAuthority = ca === undefined || isContents(ca) ? ca : readFileSync(ca, 'utf8')
  const required = Object.entries(flags['oidc-required-claim'] ?? {})
  return {
    issuer: { url, audiences: [clientId], ...(certificateAuthority !== undefined && { certificateAuthority }) },
    claimValidationRules: required.map(([claim, requiredValue]) => ({ claim, requiredValue })),
    claimMappings: {
      username: { claim: usernameClaim, prefix: prefix === '-' ? '' : prefix },
      ...(groupsClaim !== undefined && { groups: { claim: groupsClaim, prefix: flags['oidc-groups-prefix'] ?? '' } }),
    },
  }
}

export interface OutsideTokens {
  jwt: JwtTokens
  /** As the file has it. */
  anonymous?: AnonymousConfiguration
  register(registry: Metrics['registry']): void
  /** Reads the file again until the signal aborts. */
  follow(signal: AbortSignal): Promise<void>
}

/** Undefined where nobody else's are. `ownIssuers` are the server's. Throws a ConfigurationFileError. */
export function outsideTokens(
  flags: ComponentOptions['apiserver'],
  ownIssuers: readonly string[],
  { log, clock }: { log: Logger; clock: Clock },
): OutsideTokens | undefined {
  const metrics = new JwtMetrics()
  const option = flags['authentication-config']
  if (option === undefined) {
    const issuer = oidcIssuer(flags)
    if (!issuer) return undefined
    const jwt = new JwtTokens({ issuers: [issuer], signingAlgs: flags['oidc-signing-algs'] ?? ['RS256'], metrics }, clock)
    return { jwt, register: (registry) => metrics.register(registry), follow: async () => {} }
  }
  const file = new FollowedFile({ option, subject: 'authentication', log, clock })
  const first = parseAuthenticationConfiguration(file.text, ownIssuers)
  if (first.anonymous && flags['anonymous-auth'] !== undefined)
    throw new ConfigurationFileError(
      'anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file',
    )
  const jwt = new JwtTokens({ issuers: first.jwt, signingAlgs: ALL_SIGNING_ALGORITHMS, metrics }, clock)
  const take = (text: string): void => {
    const next = parseAuthenticationConfiguration(text, ownIssuers)
    if (!deepEqual(next.anonymous, first.anonymous))
      throw new ConfigurationFileError('anonymous: Forbidden: changed from initial configuration file')
    jwt.replace(next.jwt)
  }
  return {
    jwt,
    ...(first.anonymous && { anonymous: first.anonymous }),
    register(registry) {
      metrics.register(registry)
      file.metrics.register(registry)
    },
    follow: (signal) => file.follow(take, signal),
  }
}
