/** The body of an HTTP answer as text. Throws an Error in the words of `tooLarge` for one of more than `limitBytes`. */
export async function bodyOf(answer: AsyncIterable<unknown> & { destroy(): void }, limitBytes: number, tooLarge: string): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes > limitBytes) {
      answer.destroy()
      throw new Error(tooLarge)
    }
  }
  return Buffer.concat(chunks).toString()
}
