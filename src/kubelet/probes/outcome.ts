/** What a single probe found. */
export interface ProbeOutcome {
  result: 'success' | 'failure' | 'warning'
  output: string
}

export const MAX_PROBE_OUTPUT_BYTES = 10 * 1024

export const success = (output = ''): ProbeOutcome => ({ result: 'success', output })
export const failure = (output: string): ProbeOutcome => ({ result: 'failure', output })
