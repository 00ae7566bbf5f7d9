import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLongRunning, parseRequestInfo } from './requestInfo.ts'

function parse(method: string, target: string): Record<string, unknown> {
  const [path = '', search = ''] = target.split('?', 2)
  const { verb, group, version, resource, subresource, namespace, name, rest, isResourceRequest } = parseRequestInfo(
    method,
    path,
    new URLSearchParams(search),
  )
  const all = { verb, group, version, resource, subresource, namespace, name, rest, isResourceRequest }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '' && value !== true))
}

test('paths become what authorization decides on', () => {
  const cases: [string, string, Record<string, unknown>][] = [
    ['GET', '/api/v1/pods', { verb: 'list', version: 'v1', resource: 'pods' }],
    ['GET', '/api/v1/namespaces/a/pods', { verb: 'list', version: 'v1', resource: 'pods', namespace: 'a' }],
    ['GET', '/api/v1/namespaces/a/pods/', { verb: 'list', version: 'v1', resource: 'pods', namespace: 'a' }],
    ['GET', '/api/v1/namespaces/a/pods?watch=true', { verb: 'watch', version: 'v1', resource: 'pods', namespace: 'a' }],
    ['GET', '/api/v1/namespaces/a/pods?watch=perhaps', { verb: 'watch', version: 'v1', resource: 'pods', namespace: 'a' }],
    ['GET', '/api/v1/namespaces/a/pods?watch=0', { verb: 'list', version: 'v1', resource: 'pods', namespace: 'a' }],
    ['GET', '/api/v1/namespaces/a/pods/p?watch=true', { verb: 'get', version: 'v1', resource: 'pods', namespace: 'a', name: 'p' }],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dp', { verb: 'list', version: 'v1', resource: 'pods', name: 'p' }],
    ['DELETE', '/api/v1/namespaces/a/pods', { verb: 'deletecollection', version: 'v1', resource: 'pods', namespace: 'a' }],
    [
      'POST',
      '/api/v1/namespaces/a/pods/p/exec',
      { verb: 'create', version: 'v1', resource: 'pods', namespace: 'a', name: 'p', subresource: 'exec' },
    ],
    ['GET', '/apis/apps/v1/deployments', { verb: 'list', group: 'apps', version: 'v1', resource: 'deployments' }],
    [
      'PATCH',
      '/apis/apps/v1/namespaces/a/deployments/d/scale',
      { verb: 'patch', group: 'apps', version: 'v1', resource: 'deployments', namespace: 'a', name: 'd', subresource: 'scale' },
    ],
    ['GET', '/api/v1/namespaces/a', { verb: 'get', version: 'v1', resource: 'namespaces', namespace: 'a', name: 'a' }],
    [
      'PUT',
      '/api/v1/namespaces/a/finalize',
      { verb: 'update', version: 'v1', resource: 'namespaces', namespace: 'a', name: 'a', subresource: 'finalize' },
    ],
    ['GET', '/api/v1/watch/namespaces/a/pods/p', { verb: 'watch', version: 'v1', resource: 'pods', namespace: 'a', name: 'p' }],
    [
      'GET',
      '/api/v1/namespaces/a/services/s/proxy/x%2Fy//z',
      { verb: 'get', version: 'v1', resource: 'services', namespace: 'a', name: 's', subresource: 'proxy', rest: 'x%2Fy//z' },
    ],
    ['GET', '/api', { verb: 'get', isResourceRequest: false }],
    ['GET', '/apis/apps/v1', { verb: 'get', isResourceRequest: false }],
    ['POST', '/healthz', { verb: 'post', isResourceRequest: false }],
  ]
  for (const [method, target, expected] of cases) assert.deepEqual(parse(method, target), expected, `${method} ${target}`)
})

test('an escaped slash does not hide inside a name', () => {
  assert.deepEqual(parse('GET', '/api/v1/namespaces/a/configmaps/x%2Fstatus'), {
    verb: 'get',
    version: 'v1',
    resource: 'configmaps',
    namespace: 'a',
    name: 'x',
    subresource: 'status',
  })
})

test('what may last, and what nobody can tell', () => {
  const cases: [target: string, long: boolean, undetermined: boolean][] = [
    ['/api/v1/pods', false, false],
    ['/api/v1/pods?watch=1', true, false],
    ['/api/v1/pods?watch=', true, false],
    ['/api/v1/pods?watch=False', false, false],
    ['/api/v1/namespaces/a/pods/p/log', true, false],
    ['/api/v1/namespaces/a/pods/p/eviction', false, false],
    ['/api/v1/proxy/nodes/n', true, false],
    ['/debug/pprof/heap', true, false],
    ['/debug/pprof', false, false],
    ['/api/v1/watch', false, true],
    ['/apis/apps/v1/proxy/', false, true],
  ]
  for (const [target, long, undetermined] of cases) {
    const [path = '', search = ''] = target.split('?')
    const info = parseRequestInfo('GET', path, new URLSearchParams(search))
    assert.deepEqual([isLongRunning(info), info.isUndetermined ?? false], [long, undetermined], target)
  }
})
