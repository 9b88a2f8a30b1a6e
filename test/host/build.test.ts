import { cpSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { buildHash, packagesHash } from '../../src/host/build.ts'
import { newFolder } from '../e2e/support.ts'

const work = newFolder('build')
afterAll(work.remove)

const files: Readonly<Record<string, string>> = {
  'bin/quorate.js': 'start()',
  'oclif.manifest.json': '{}',
  'package.json': JSON.stringify({
    name: 'us',
    dependencies: { one: '1' },
    optionalDependencies: { cloud: '1' },
    peerDependencies: { addon: '1' },
  }),
  'dist/main.js': 'main()',
  'node_modules/one/package.json': JSON.stringify({
    name: 'one',
    version: '1.0.0',
    dependencies: { two: '2' },
    peerDependencies: { tool: '1' },
  }),
  'node_modules/one/index.mjs': 'one()',
  'node_modules/two/package.json': JSON.stringify({ name: 'two', version: '2.0.0' }),
  'node_modules/two/lib/two.wasm': 'two',
  'node_modules/two/lib/two.d.ts': 'types',
  'node_modules/cloud/package.json': JSON.stringify({ name: 'cloud', version: '3.0.0', dependencies: { two: '2' } }),
  'node_modules/cloud/sdk.js': 'sdk()',
  'node_modules/tool/package.json': JSON.stringify({ name: 'tool', version: '1.0.0' }),
  'node_modules/tool/index.js': 'tool()',
}
let made = 0
const tree = (changes: Readonly<Record<string, string>> = {}): string => {
  const root = join(work.path, String(++made))
  for (const [path, text] of Object.entries({ ...files, ...changes })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

describe('the hash of a build', () => {
  const plain = buildHash(tree())

  test('is the same wherever the same files lie, and whichever way npm put the packages', () => {
    expect(buildHash(tree())).toBe(plain)
    const root = tree()
    mkdirSync(join(root, 'node_modules/one/node_modules'))
    renameSync(join(root, 'node_modules/two'), join(root, 'node_modules/one/node_modules/two'))
    expect(buildHash(root)).toBe(plain)
    const both = tree()
    cpSync(join(both, 'node_modules/two'), join(both, 'node_modules/one/node_modules/two'), { recursive: true })
    expect(buildHash(both)).toBe(plain)
  })

  test.each([
    ['an own file', { 'dist/main.js': 'main(evil)' }],
    ['an own file more', { 'dist/more.js': '' }],
    ['the start', { 'bin/quorate.js': 'evil()' }],
    ['a dependency', { 'node_modules/one/index.mjs': 'one(evil)' }],
    ['a dependency of a dependency', { 'node_modules/two/lib/two.wasm': 'twO' }],
    ['a file more in one', { 'node_modules/two/lib/more.cjs': '' }],
    [
      'a package in the own files',
      { 'dist/node_modules/one/package.json': '{}', 'dist/node_modules/one/index.mjs': 'evil()' },
    ],
    ['a package deep in one', { 'node_modules/one/lib/node_modules/two/package.json': '{"name":"two"}' }],
    ['a file beside the packages in one', { 'node_modules/one/node_modules/two.js': 'evil()' }],
    ['a folder without a name beside them', { 'node_modules/one/node_modules/two/index.js': 'evil()' }],
    ['a file without an ending', { 'node_modules/one/more': 'evil()' }],
    [
      'an addon that was installed',
      { 'node_modules/addon/package.json': '{"name":"addon"}', 'node_modules/addon/a.node': 'x' },
    ],
  ])('is another with %s changed', (_, changes) => {
    expect(buildHash(tree(changes))).not.toBe(plain)
  })

  test('is of the files that links lead to', () => {
    const linked = (text: string): string => {
      const root = tree({ 'elsewhere/lib.js': text })
      symlinkSync(join(root, 'elsewhere/lib.js'), join(root, 'node_modules/one/lib.js'))
      symlinkSync(join(root, 'elsewhere'), join(root, 'node_modules/two/lib/more'))
      symlinkSync('..', join(root, 'node_modules/two/lib/back'))
      return buildHash(root)
    }
    expect(linked('lib()')).toBe(linked('lib()'))
    expect(linked('evil()')).not.toBe(linked('lib()'))
  })

  test('is of the package that is resolved, not of one with the same name elsewhere', () => {
    const nested = {
      'node_modules/one/node_modules/two/package.json': files['node_modules/two/package.json'] as string,
      'node_modules/one/node_modules/two/lib/two.wasm': 'evil',
    }
    expect(buildHash(tree(nested))).not.toBe(plain)
  })

  test.each([
    ['types', { 'node_modules/two/lib/two.d.ts': 'other types' }],
    ['the tools of others', { 'node_modules/tool/index.js': 'other()' }],
    ['the SDK of a cloud', { 'node_modules/cloud/sdk.js': 'sdk(evil)' }],
    ['a package that nothing here loads', { 'node_modules/dev/package.json': '{"name":"dev"}' }],
  ])('is the same with %s changed', (_, changes) => {
    expect(buildHash(tree(changes))).toBe(plain)
  })
})

describe('the hash of packages of a cloud', () => {
  const plain = packagesHash(['cloud'], tree())

  test.each([
    ['in one of them', { 'node_modules/cloud/sdk.js': 'sdk(evil)' }],
    ['in a dependency of one', { 'node_modules/two/lib/two.wasm': 'twO' }],
    [
      'with another version',
      { 'node_modules/cloud/package.json': '{"name":"cloud","version":"3.0.1","dependencies":{"two":"2"}}' },
    ],
  ])('is another %s changed', (_, changes) => {
    expect(packagesHash(['cloud'], tree(changes))).not.toBe(plain)
  })

  test('is of an addon that was built, not of what building it left', () => {
    const built = (changes: Readonly<Record<string, string>> = {}): string => {
      const addon = { 'node_modules/cloud/build/Release/cloud.node': 'x', 'node_modules/cloud/build/lib.js': 'x' }
      return packagesHash(['cloud'], tree({ ...addon, ...changes }))
    }
    const notes = ['Makefile', 'config.gypi', 'cloud.target.mk', 'Release/.deps/cloud.d', 'Release/obj.target/cloud.o']
    const left = Object.fromEntries(notes.map((name) => [`node_modules/cloud/build/${name}`, 'this machine']))
    expect(built(left)).toBe(built())
    for (const name of ['Release/cloud.node', 'Release/more.node', 'lib.js', 'more', 'Release/deps/more.js'])
      expect(built({ [`node_modules/cloud/build/${name}`]: 'evil' })).not.toBe(built())
  })

  test('says nothing of the rest, and tells packages that are not there', () => {
    expect(packagesHash(['cloud'], tree({ 'dist/main.js': 'other()', 'node_modules/one/index.mjs': 'other()' }))).toBe(
      plain,
    )
    expect(packagesHash(['nobody'], tree())).not.toBe(plain)
    expect(packagesHash(['nobody'], tree())).toBe(packagesHash([], tree()))
  })
})
