/** The audit of an API server as its flags ask for it, by upstream's names. */
import { readFileSync } from 'node:fs'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { Audit } from '../apiserver/audit/audit.ts'
import { AuditLog } from '../apiserver/audit/log.ts'
import { parseAuditPolicy } from '../apiserver/audit/policy.ts'

export interface AuditSettings {
  policyFile: string
  /** `-` is standard output. */
  logPath: string
  maxSizeMegabytes?: number
  maxBackups?: number
  maxAgeDays?: number
}

/** Without a policy or without a place to write to nothing is written down. Throws where the policy is wrong. */
export function createAudit(settings: AuditSettings, { log, clock }: { log: Logger; clock: Clock }): Audit | undefined {
  const { policyFile, logPath, ...limits } = settings
  if (!policyFile || !logPath) {
    if (policyFile || logPath) log.warn('audit needs both a policy file and a log path: nothing is written down')
    return undefined
  }
  const policy = parseAuditPolicy(readFileSync(policyFile, 'utf8'))
  return new Audit({ policy, log: new AuditLog({ path: logPath, ...limits, log, clock }), clock })
}
