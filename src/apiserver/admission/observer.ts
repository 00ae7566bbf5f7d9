/** What admission tells whoever counts. */
export interface AdmissionObserver {
  webhookCalled(call: {
    name: string
    type: 'admit' | 'validating'
    operation: string
    /** 0 where the server itself failed. */
    code: number
    rejected: boolean
    seconds: number
  }): void
  webhookRejected(rejection: {
    name: string
    type: 'admit' | 'validating'
    operation: string
    errorType: 'calling_webhook_error' | 'apiserver_internal_error' | 'no_error'
    code: number
  }): void
  webhookFailedOpen(name: string, type: 'admit' | 'validating'): void
  matchConditionExcluded(name: string, kind: 'webhook' | 'policy', type: 'admit' | 'validating', operation: string): void
  policyChecked(check: {
    kind: 'validating' | 'mutating'
    policy: string
    binding: string
    enforcement: 'allow' | 'deny' | 'warn' | 'audit'
    errorType: 'no_error' | 'compile_error' | 'invalid_error' | 'out_of_budget' | 'other'
    seconds: number
  }): void
}

export const noObserver: AdmissionObserver = {
  webhookCalled() {},
  webhookRejected() {},
  webhookFailedOpen() {},
  matchConditionExcluded() {},
  policyChecked() {},
}
