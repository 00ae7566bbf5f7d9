/** Whether a TCP connection can be made. */
import { connect } from 'node:net'
import { dialTimeout, networkErrorText } from './networkErrors.ts'
import { failure, success } from './outcome.ts'
import type { ProbeOutcome } from './outcome.ts'

export function probeTcp(host: string, port: number, timeoutSeconds: number, signal: AbortSignal): Promise<ProbeOutcome> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    socket.setTimeout(timeoutSeconds * 1000, () => {
      resolve(failure(dialTimeout(host, port)))
      socket.destroy()
    })
    socket.on('connect', () => {
      resolve(success())
      socket.destroy()
    })
    socket.on('error', (error) => {
      if (signal.aborted) reject(signal.reason as Error)
      else resolve(failure(networkErrorText(error, host, port)))
    })
  })
}
