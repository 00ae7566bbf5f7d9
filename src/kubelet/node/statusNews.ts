/** Whether a node's status is worth sending: it says something new, or nothing was said for long. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { NodeCondition, NodeStatus } from '../../api/kinds/core/v1.ts'

/** `quietMs`: after this time without a heartbeat the status goes out as it is. */
export function isNews(sent: NodeStatus | undefined, status: NodeStatus, { quietMs }: { quietMs: number }): boolean {
  if (sent === undefined) return true
  if (!isDeepStrictEqual(withoutHeartbeats(status), withoutHeartbeats(pick(sent, status)))) return true
  return heartbeatMs(status) - heartbeatMs(sent) >= quietMs
}

function withoutHeartbeats(status: NodeStatus): NodeStatus {
  return { ...status, conditions: (status.conditions ?? []).map((condition) => ({ ...condition, lastHeartbeatTime: '' })) }
}

/** Of what the API has, the part that the kubelet reports. */
function pick(sent: NodeStatus, like: NodeStatus): NodeStatus {
  const keys = Object.keys(like) as (keyof NodeStatus)[]
  const conditions = (sent.conditions ?? []).filter((condition) => like.conditions?.some((own) => own.type === condition.type))
  return { ...Object.fromEntries(keys.filter((key) => sent[key] !== undefined).map((key) => [key, sent[key]])), conditions }
}

const readiness = (status: NodeStatus): NodeCondition | undefined => status.conditions?.find(({ type }) => type === 'Ready')

const heartbeatMs = (status: NodeStatus): number => Date.parse(readiness(status)?.lastHeartbeatTime ?? '') || 0
