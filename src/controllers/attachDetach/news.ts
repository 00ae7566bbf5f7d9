/** What pods are told of the volumes that they wait for, computed purely; the words are upstream's. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { attachmentName, type NodeFacts, type NodePlan } from './plan.ts'

export interface News {
  /** The volume's name. */
  volume: string
  /** What is told, as long as it is the same it is told once. */
  what: string
  isGood: boolean
  /** Each pod with its message. */
  messages: readonly { pod: Pod; message: string }[]
}

/** Why a volume cannot be had, in words for one of the pods that wait: it must not learn names of other namespaces. */
function multiAttachMessage(volume: string, waiting: Pod, users: readonly Pod[]): string {
  const prefix = `Multi-Attach error for volume "${volume}"`
  if (users.length === 0) return `${prefix} Volume is already exclusively attached to one node and can't be attached to another`
  const local = users.filter(({ metadata }) => metadata.namespace === waiting.metadata.namespace).map(({ metadata }) => metadata.name)
  const others = users.length - local.length
  if (local.length === 0) return `${prefix} Volume is already used by ${others} pod(s) in different namespaces`
  const more = others > 0 ? ` and ${others} pod(s) in different namespaces` : ''
  return `${prefix} Volume is already used by pod(s) ${local.join(', ')}${more}`
}

/** Who waits for a volume that others have, and what drivers answered to those who wait for them. */
export function newsOf({ nodeName, wanted, attachments, usersElsewhere }: NodeFacts, { blocked }: NodePlan): News[] {
  const elsewhere = blocked.map(({ volume, pods }): News => {
    const { name } = volume.metadata
    const users = usersElsewhere.get(name) ?? []
    const messages = pods.map((pod) => ({ pod, message: multiAttachMessage(name, pod, users) }))
    return { volume: name, what: 'blocked', isGood: false, messages }
  })
  const answered = wanted.flatMap(({ volume, pods }): News[] => {
    const { name } = volume.metadata
    const status = attachments.find(({ metadata }) => metadata.name === attachmentName(volume, nodeName))?.status
    const news = (what: string, isGood: boolean, message: string): News[] => [
      { volume: name, what, isGood, messages: pods.map((pod) => ({ pod, message })) },
    ]
    if (status?.attached) return news('attached', true, `AttachVolume.Attach succeeded for volume "${name}" `)
    if (!status?.attachError) return []
    const { message = '', time = '' } = status.attachError
    return news(`${time} ${message}`, false, `AttachVolume.Attach failed for volume "${name}" : ${message}`)
  })
  return [...elsewhere, ...answered]
}
