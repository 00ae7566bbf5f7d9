/** How many seats (units of work at once) each priority level has, may lend and may borrow. Pure. */
import type { PriorityLevelConfiguration } from '../../api/kinds/flowcontrol/v1.ts'

export interface SeatLimits {
  nominal: number
  /** Never lent: what it has for sure. */
  lower: number
  /** With all that it may borrow: the whole server's where nothing limits that. */
  upper: number
}

interface Shares {
  shares: number
  lendablePercent: number
  borrowingLimitPercent: number | undefined
}

function sharesOf({ spec }: PriorityLevelConfiguration): Shares {
  if (spec.type === 'Exempt') {
    const { nominalConcurrencyShares = 0, lendablePercent = 0 } = spec.exempt ?? {}
    return { shares: nominalConcurrencyShares, lendablePercent, borrowingLimitPercent: undefined }
  }
  const { nominalConcurrencyShares = 30, lendablePercent = 0, borrowingLimitPercent } = spec.limited ?? {}
  return { shares: nominalConcurrencyShares, lendablePercent, borrowingLimitPercent }
}

/** Shares of the server's seats by level, each rounded up as upstream does it. */
export function allocateSeats(levels: readonly PriorityLevelConfiguration[], serverSeats: number): Map<string, SeatLimits> {
  const all = levels.map((level) => ({ name: level.metadata.name, ...sharesOf(level) }))
  const sum = all.reduce((total, { shares }) => total + shares, 0)
  return new Map(
    all.map(({ name, shares, lendablePercent, borrowingLimitPercent }) => {
      const nominal = sum === 0 ? 0 : Math.ceil((serverSeats * shares) / sum)
      const lower = nominal - Math.round((nominal * lendablePercent) / 100)
      const upper = nominal + (borrowingLimitPercent === undefined ? serverSeats : Math.round((nominal * borrowingLimitPercent) / 100))
      return [name, { nominal, lower, upper }]
    }),
  )
}

export interface Occupancy extends SeatLimits {
  used: number
}

/**
 * Whether a level may take seats beyond its nominal share: what the others leave free of their lendable part, less what is
 * borrowed already. A lender that needs its seats takes them at once, whoever has borrowed them.
 */
export function mayBorrow(levels: Iterable<Occupancy>, borrower: Occupancy, seats: number): boolean {
  if (borrower.used + seats > borrower.upper) return false
  let free = 0
  for (const { nominal, lower, used } of levels) {
    if (used > nominal) free -= used - nominal
    else free += Math.min(nominal - lower, nominal - used)
  }
  // Its own seats up to the nominal share need not be borrowed.
  return free >= seats - Math.max(0, borrower.nominal - borrower.used)
}
