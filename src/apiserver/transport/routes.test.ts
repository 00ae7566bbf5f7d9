import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import { loadCatalog } from '../../api/catalog/load.ts'
import { StatusError } from '../../api/status.ts'
import { parseRequestInfo } from './requestInfo.ts'
import { customRouteOf, routeOf } from './routes.ts'

const catalog = loadCatalog()

function outcome(method: string, path: string): string | number {
  try {
    const { resource, subresource, verb, namespace, name } = routeOf(catalog, parseRequestInfo(method, path, new URLSearchParams()), method)
    return [verb, resource.resource, subresource?.name ?? '-', namespace || '-', name || '-'].join(' ')
  } catch (error) {
    if (error instanceof StatusError) return error.code
    throw error
  }
}

test('methods on paths mean verbs on resources, or 404 and 405', () => {
  const cases: [string, string, string | number][] = [
    ['GET', '/api/v1/namespaces/a/pods/p', 'get pods - a p'],
    ['GET', '/api/v1/pods', 'list pods - - -'],
    ['POST', '/api/v1/pods', 405],
    ['DELETE', '/api/v1/namespaces', 405],
    ['PUT', '/api/v1/namespaces/a/pods', 405],
    ['POST', '/api/v1/namespaces/a/pods/p', 405],
    ['HEAD', '/api/v1/namespaces/a/pods', 405],
    ['GET', '/api/v1/namespaces/a/nothing', 404],
    ['GET', '/api/v1/pods/p', 404],
    ['GET', '/api/v1/namespaces/a/nodes', 404],
    ['GET', '/api/v1/namespaces/a/namespaces', 404],
    ['GET', '/api/v1/namespaces/a/pods/p/nothing', 404],
    ['GET', '/api/v1/namespaces/a/pods/p/status/more', 404],
    ['GET', '/api/v1/namespaces/a/pods/p/eviction', 405],
    ['POST', '/api/v1/namespaces/a/pods/p/eviction', 'create pods eviction a p'],
    ['GET', '/api/v1/namespaces/a/pods/p/exec', 'get pods exec a p'],
    ['DELETE', '/api/v1/namespaces/a/pods/p/proxy/x', 'delete pods proxy a p'],
    ['PUT', '/api/v1/namespaces/a/finalize', 'update namespaces finalize - a'],
    ['GET', '/api/v1/watch/namespaces/a/pods/p', 'watch pods - a p'],
    ['GET', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', 405],
    ['POST', '/apis/authorization.k8s.io/v1/localsubjectaccessreviews', 404],
    ['POST', '/api/v1/bindings', 404],
    ['GET', '/api/v1/proxy/nodes/n', 404],
    ['GET', '/api/v1/namespaces//pods', 'list pods - - -'],
    ['POST', '/api/v1/namespaces//pods', 'create pods - - -'],
    ['DELETE', '/api/v1/namespaces//pods', 'deletecollection pods - - -'],
    ['GET', '/api/v1/namespaces//pods/p', 400],
    ['GET', '/api/v1/namespaces//pods/p/log', 400],
    ['GET', '/api/v1/namespaces//nodes', 404],
    ['POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', 'create selfsubjectaccessreviews - - -'],
  ]
  for (const [method, path, expected] of cases) assert.equal(outcome(method, path), expected, `${method} ${path}`)
})

test('custom resources are found by verb, name and subresource alone', () => {
  const status = { name: 'status', kind: { group: 'g.x', version: 'v1', kind: 'W' }, verbs: ['get', 'patch', 'update'] }
  const resource = { group: 'g.x', resource: 'ws', namespaced: true, subresources: [status] } as unknown as CatalogResource
  const said = (method: string, path: string): string => {
    try {
      const route = customRouteOf(parseRequestInfo(method, `/apis/g.x/v1/${path}`, new URLSearchParams()), resource)
      return route ? `${route.verb} ${route.subresource?.name ?? '-'} ${route.name || '-'}` : 'elsewhere'
    } catch (error) {
      if (error instanceof StatusError) return `${error.code} ${error.message}`
      throw error
    }
  }
  const cases: [string, string, string][] = [
    ['GET', 'namespaces/a/ws/w', 'get - w'],
    ['HEAD', 'namespaces/a/ws/w', 'get - w'],
    ['POST', 'namespaces/a/ws/w', 'create - -'],
    ['GET', 'namespaces/a/ws/w/status/more', 'get status w'],
    ['DELETE', 'namespaces/a/ws/w/status', '405 delete is not supported on resources of kind "ws.g.x"'],
    ['OPTIONS', 'namespaces/a/ws', '405  is not supported on resources of kind "ws.g.x"'],
    ['GET', 'namespaces/a/ws/w/scale', '404 ws.g.x "w" not found'],
    ['PUT', 'namespaces/a/ws', '400 name must be provided'],
    ['GET', 'ws', 'list - -'],
    ['DELETE', 'ws', 'elsewhere'],
    ['GET', 'ws/w', 'elsewhere'],
  ]
  for (const [method, path, expected] of cases) assert.equal(said(method, path), expected, `${method} ${path}`)
})
