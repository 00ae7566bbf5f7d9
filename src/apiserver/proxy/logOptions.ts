/** The query of pods/log (v1 PodLogOptions), checked, and as the kubelet wants it. Pure. */
import { newBadRequest, newInvalid } from '../../api/status.ts'
import { canonicalTime, TimeError } from '../../api/codec/goTime.ts'
import type { FieldError } from '../../api/status.ts'
import { isSet } from '../transport/requestInfo.ts'

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  if (!/^[+-]?\d+$/.test(text)) throw newBadRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}

function atLeast(field: string, value: number | undefined, least: 0 | 1): FieldError[] {
  if (value === undefined || value >= least) return []
  const rule = least === 0 ? 'must be greater than or equal to 0' : 'must be greater than 0'
  return [{ type: 'FieldValueInvalid', field, message: `Invalid value: ${value}: ${rule}` }]
}

function checkTime(text: string): void {
  try {
    canonicalTime(text)
  } catch (error) {
    if (error instanceof TimeError) throw newBadRequest(error.message)
    throw error
  }
}

/** What to ask the kubelet for. Throws 400 and 422 as upstream does. */
export function kubeletLogQuery(query: URLSearchParams, pod: string): URLSearchParams {
  const tailLines = integer(query, 'tailLines')
  const sinceSeconds = integer(query, 'sinceSeconds')
  const limitBytes = integer(query, 'limitBytes')
  const sinceTime = query.get('sinceTime')
  const stream = query.get('stream')
  if (sinceTime !== null) checkTime(sinceTime)
  const errors: FieldError[] = [...atLeast('tailLines', tailLines, 0), ...atLeast('limitBytes', limitBytes, 1)]
  if (sinceSeconds !== undefined && sinceTime !== null) {
    errors.push({
      type: 'FieldValueForbidden',
      field: '[]',
      message: 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
    })
  } else {
    errors.push(...atLeast('sinceSeconds', sinceSeconds, 1))
  }
  if (stream !== null) errors.push({ type: 'FieldValueForbidden', field: 'stream', message: 'Forbidden: may not be specified' })
  if (errors.length > 0) throw newInvalid({ group: '', kind: 'PodLogOptions' }, pod, errors)
  const wanted = new URLSearchParams()
  for (const flag of ['follow', 'previous', 'timestamps']) if (isSet(query.get(flag))) wanted.set(flag, 'true')
  for (const [name, value] of Object.entries({ tailLines, sinceSeconds, limitBytes }))
    if (value !== undefined) wanted.set(name, String(value))
  if (sinceTime !== null) wanted.set('sinceTime', sinceTime)
  return wanted
}
