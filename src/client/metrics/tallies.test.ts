import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter, Histogram, Registry } from 'prom-client'
import { TalliedCounter, TalliedHistogram } from './tallies.ts'

const NAME = 'a_total'
const HELP = 'What was done.'

test('a tallied histogram is told as one of prom-client is', async () => {
  const buckets = [0.1, 0.5, 1]
  const [ours, theirs] = [new Registry(), new Registry()]
  const tallied = new TalliedHistogram({ name: NAME, help: HELP, buckets })
  tallied.register(ours)
  const known = new Histogram({ name: NAME, help: HELP, buckets, labelNames: ['verb', 'resource'], registers: [theirs] })
  for (const labels of [
    { verb: 'GET', resource: 'pods' },
    { verb: 'LIST', resource: 'a"b\\c' },
  ]) {
    const row = tallied.row(labels)
    for (const value of [0, 0.1, 0.11, 0.5, 0.75, 1, 7]) {
      row.observe(value)
      known.observe(labels, value)
    }
  }
  assert.equal(await ours.metrics(), await theirs.metrics())
})

test('a tallied counter is told as one of prom-client is', async () => {
  const [ours, theirs] = [new Registry(), new Registry()]
  const tallied = new TalliedCounter({ name: NAME, help: HELP })
  tallied.register(ours)
  const known = new Counter({ name: NAME, help: HELP, labelNames: ['verb', 'code'], registers: [theirs] })
  for (const labels of [
    { verb: 'GET', code: 200 },
    { verb: 'GET', code: 404 },
  ]) {
    const row = tallied.row(labels)
    for (let i = 0; i < labels.code % 7; i++) {
      row.add()
      known.inc(labels)
    }
  }
  assert.equal(await ours.metrics(), await theirs.metrics())
})
