/** The pods of a Job: tracked until they are counted, and told which index is theirs. */
import { jobs, type Job } from '../../api/kinds/batch/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { newControllerRef } from '../../api/meta.ts'
import type { Draft } from '../../api/resource.ts'
import { podFromTemplate } from '../podState.ts'
import { COMPLETION_INDEX, IGNORED_INDEX_FAILURES, INDEX_FAILURES, TRACKING_FINALIZER } from './finishedPods.ts'
import type { IndexFailures } from './perIndex.ts'
import type { JobPlan } from './plan.ts'

const failureMarks = ({ counted, ignored }: IndexFailures): Record<string, string> => ({
  [INDEX_FAILURES]: String(counted),
  ...(ignored > 0 && { [IGNORED_INDEX_FAILURES]: String(ignored) }),
})

export function jobPod(job: Job, { index, failures }: JobPlan['create'][number]): Draft<Pod> {
  const template = job.spec?.template
  const draft = podFromTemplate(template, job, newControllerRef(job, jobs))
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined
  const { finalizers = [], annotations, labels } = draft.metadata
  const tracked = { ...draft.metadata, finalizers: [...finalizers, TRACKING_FINALIZER] }
  if (index === undefined) return { ...draft, metadata: tracked }
  const env = { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { fieldPath: `metadata.labels['${COMPLETION_INDEX}']` } } }
  const withIndex = <C extends { name: string; env?: { name: string }[] }>(containers: readonly C[]): C[] =>
    containers.map((container) =>
      container.env?.some(({ name }) => name === env.name) ? container : { ...container, env: [...(container.env ?? []), env] },
    )
  const { spec } = draft
  return {
    ...draft,
    metadata: {
      ...tracked,
      generateName: `${job.metadata.name}-${index}-`,
      labels: { ...labels, [COMPLETION_INDEX]: String(index) },
      annotations: { ...annotations, [COMPLETION_INDEX]: String(index), ...(perIndex && failureMarks(failures)) },
    },
    spec: {
      ...spec,
      hostname: spec.hostname ?? `${job.metadata.name}-${index}`,
      containers: withIndex(spec.containers),
      ...(spec.initContainers && { initContainers: withIndex(spec.initContainers) }),
    },
  }
}
