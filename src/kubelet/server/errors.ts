/** An answer to a request that cannot be served: the kubelet's server speaks plain text. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly code: number
  readonly headers: Readonly<Record<string, string>>

  constructor(code: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.code = code
    this.headers = headers
  }
}
