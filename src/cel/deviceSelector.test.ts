import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileDeviceSelector, isTooComplex, selectsDevice } from './deviceSelector.ts'

const GPU = {
  driver: 'gpu.example',
  attributes: { model: { string: 'x' }, 'other.example/count': { int: 2 }, version: { version: '1.2.3' }, shared: { bool: true } },
  capacity: { memory: { value: '10Gi' } },
}

test('devices are selected by driver, attributes and capacity', () => {
  for (const [expression, matches] of [
    ["device.driver == 'gpu.example'", true],
    ["device.attributes['gpu.example'].model == 'x' && device.attributes['other.example'].count > 1", true],
    ["device.attributes['gpu.example'].version.isGreaterThan(semver('1.2.0'))", true],
    ["device.capacity['gpu.example'].memory.compareTo(quantity('8Gi')) > 0", true],
    ["cel.bind(gpu, device.attributes['gpu.example'], gpu.shared && gpu.model == 'y')", false],
    ["has(device.attributes['unknown.example'].model)", false],
    ['device.allowMultipleAllocations', false],
  ] as const) {
    assert.equal(selectsDevice(compileDeviceSelector(expression), GPU), matches, expression)
  }
  assert.throws(() => selectsDevice(compileDeviceSelector("device.attributes['unknown.example'].model == 'x'"), GPU), {
    message: 'no such key: model',
  })
  const expensive = "device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, a.matches('.*' + b + c))))"
  assert.equal(isTooComplex(compileDeviceSelector(expensive)), true)
  assert.equal(isTooComplex(compileDeviceSelector("device.driver == 'x'")), false)
})

test('estimates of what a selector can cost are those of upstream', () => {
  for (const [expression, cost] of [
    ['device.attributes["a.example"].services.split("example").size() >= 2', 19],
    ['device.attributes["a.example"].services.matches("[^a]?sym")', 18],
    ['device.allowMultipleAllocations == true', 3],
  ] as const) {
    assert.equal(compileDeviceSelector(expression).estimatedCost, cost, expression)
  }
})
