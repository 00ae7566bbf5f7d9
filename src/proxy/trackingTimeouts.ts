/**
 * How long connection tracking remembers a TCP connection on which nothing is said (kube-proxy's contract: its conntrack
 * settings). Half-closed ones longer than the kernel would: what the closed side still sends must find its rewritten
 * address. Open ones shorter. The settings are those of the node's own network, not of the machine it runs on.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const TIMEOUTS_SECONDS = {
  nf_conntrack_tcp_timeout_close_wait: 3_600,
  nf_conntrack_tcp_timeout_established: 86_400,
}

const SETTINGS = '/proc/sys/net/netfilter'

export async function setTrackingTimeouts(directory = SETTINGS): Promise<void> {
  for (const [setting, seconds] of Object.entries(TIMEOUTS_SECONDS))
    await writeFile(join(directory, setting), String(seconds), { flag: 'r+' })
}
