import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as holds, integer, property } from 'fast-check'
import { HtmlRewriter, rewriteUrl } from './rewrite.ts'

const at = { prefix: '/api/v1/namespaces/n/services/s/proxy', hosts: ['10.0.0.1:80', 'localhost:8001'] }

test('URLs of the backend lead through the proxy, others stay', () => {
  for (const [url, expected] of [
    ['/a', `${at.prefix}/a`],
    ['/a/?q=/b#c', `${at.prefix}/a/?q=/b#c`],
    ['/', `${at.prefix}/`],
    ['http://10.0.0.1:80/a', `${at.prefix}/a`],
    ['//localhost:8001/a', `${at.prefix}/a`],
    ['https://elsewhere.example/a', 'https://elsewhere.example/a'],
    ['//elsewhere.example/a', '//elsewhere.example/a'],
    ['a/b', 'a/b'],
    ['?q=1', '?q=1'],
    ['', ''],
    [`${at.prefix}/a`, `${at.prefix}/a`],
  ] as const)
    assert.equal(rewriteUrl(url, at), expected, url)
})

const PAGES: [string, string][] = [
  ['<a href="/rewriteme">test</a>', `<a href="${at.prefix}/rewriteme">test</a>`],
  ["<A CLASS=x HREF='/x'>", `<A CLASS=x HREF='${at.prefix}/x'>`],
  ['<img alt="a > b" src=/i.png>', `<img alt="a > b" src=${at.prefix}/i.png>`],
  ['<a href="/x?a=1&amp;b=2">', `<a href="${at.prefix}/x?a=1&amp;b=2">`],
  ['<a title="/x">', '<a title="/x">'],
  ['<!-- <a href="/x"> --><p>1 < 2</p>', '<!-- <a href="/x"> --><p>1 < 2</p>'],
  [
    '<script>if (a<b) x = "<a href=\'/x\'>"</script><a href="/y">',
    `<script>if (a<b) x = "<a href='/x'>"</script><a href="${at.prefix}/y">`,
  ],
  ['<script src="/a.js"></script>', `<script src="${at.prefix}/a.js"></script>`],
  ['tail <', 'tail <'],
]

test('links in HTML', () => {
  for (const [page, expected] of PAGES) {
    const rewriter = new HtmlRewriter(at)
    assert.equal(rewriter.write(page) + rewriter.end(), expected)
  }
})

test('however a page is cut into pieces, the outcome is the same', () => {
  const page = PAGES.map(([source]) => source).join('\n')
  const whole = new HtmlRewriter(at)
  const expected = whole.write(page) + whole.end()
  holds(
    property(array(integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 200 }), (sizes) => {
      const rewriter = new HtmlRewriter(at)
      let out = ''
      let position = 0
      for (let i = 0; position < page.length; i++) {
        const size = sizes[i % sizes.length] as number
        out += rewriter.write(page.slice(position, position + size))
        position += size
      }
      assert.equal(out + rewriter.end(), expected)
    }),
  )
})
