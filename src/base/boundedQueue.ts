/**
 * A first-in, first-out queue between a producer that cannot wait and one consumer that reads with `for await`.
 * It holds at most `limit` items: past that `push` answers false, and the producer must end the stream.
 */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #limit: number
  readonly #items: T[] = []
  #waiting: PromiseWithResolvers<void> | undefined
  #ended = false
  #error: Error | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  get length(): number {
    return this.#items.length
  }

  /** False, and nothing is kept, when the queue is full or has ended. */
  push(item: T): boolean {
    if (this.#ended || this.#items.length >= this.#limit) return false
    this.#items.push(item)
    this.#wake()
    return true
  }

  /** No more items come; the consumer gets what is left, then `error` if there is one. */
  end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#wake()
  }

  #wake(): void {
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for (;;) {
        while (this.#items.length > 0) yield this.#items.shift() as T
        if (this.#ended) break
        this.#waiting = Promise.withResolvers<void>()
        await this.#waiting.promise
      }
      if (this.#error) throw this.#error
    } finally {
      this.end()
      this.#items.length = 0
    }
  }
}
