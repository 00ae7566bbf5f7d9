/** What a group uses, for tests: nothing but what they name. */
import type { GroupStats } from '../runtime/cgroupStats.ts'

export function groupStats(used: Partial<GroupStats> = {}): GroupStats {
  return {
    cpuUsageNs: 0,
    cpuUserNs: 0,
    cpuSystemNs: 0,
    cpuPeriods: 0,
    cpuThrottledPeriods: 0,
    cpuThrottledNs: 0,
    memoryUsageBytes: 0,
    memoryWorkingSetBytes: 0,
    memoryRssBytes: 0,
    memoryCacheBytes: 0,
    memoryMappedBytes: 0,
    memorySwapBytes: 0,
    pageFaults: 0,
    majorPageFaults: 0,
    readBytes: 0,
    writtenBytes: 0,
    reads: 0,
    writes: 0,
    processes: 0,
    ...used,
  }
}
