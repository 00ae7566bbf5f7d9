/** Shuffle sharding: a flow gets a few of the queues, so that hardly any two flows share all of theirs. Pure. */

/** 53 bits of a text (cyrb53, in the public domain). */
export function hashText(text: string): number {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}

/** `handSize` different numbers below `deckSize`, the same for the same hash. */
export function dealHand(hash: number, deckSize: number, handSize: number): number[] {
  const hand: number[] = []
  let rest = hash
  for (let i = 0; i < Math.min(handSize, deckSize); i++) {
    const left = deckSize - i
    let card = rest % left
    rest = Math.floor(rest / left)
    for (const dealt of [...hand].sort((a, b) => a - b)) if (card >= dealt) card++
    hand.push(card)
  }
  return hand
}
