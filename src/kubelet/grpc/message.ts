/** The text of a gRPC failure: servers are to encode it as a URI does, and what some of them send as it is stays so. */
export function decodeGrpcMessage(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
