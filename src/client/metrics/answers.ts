/** Short answers of a component's own HTTP servers, and its metrics as one of them. */
import type { ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'

const PLAIN = 'text/plain; charset=utf-8'

export function answerText(response: ServerResponse, status: number, text: string, type = PLAIN): void {
  response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' })
  response.end(text)
}

export function answerNotFound(response: ServerResponse): void {
  answerText(response, 404, '404 page not found\n')
}

export function answerMetrics(response: ServerResponse, registry: Registry): void {
  registry.metrics().then(
    (text) => answerText(response, 200, text, registry.contentType),
    (error: unknown) => answerText(response, 500, `${String(error)}\n`),
  )
}
