import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { type Import, imports, importsOf, isOwn, sourceFiles, sourceText } from '../../scripts/imports.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Export {
  readonly file: string
  readonly name: string
  readonly isType: boolean
}

const DECLARED =
  /^export (?:declare )?(const|let|(?:abstract )?class|interface|type|(?:async )?function)\*? (\w+)|^export (?:type )?\{([^}]*)\}/gm

const exportsOf = (file: string, text: string): readonly Export[] =>
  [...text.matchAll(DECLARED)].flatMap(([whole, form = '', name, list]) =>
    name !== undefined
      ? [{ file, name, isType: form === 'interface' || form === 'type' }]
      : (list ?? '').split(',').flatMap((part) => {
          const outer = /(\w+)\s*$/.exec(part)?.[1]
          return outer === undefined ? [] : [{ file, name: outer, isType: whole.startsWith('export type') }]
        }),
  )

const pathOf = (found: Import): string => posix.join(posix.dirname(found.file), found.target)

/** By name, or anywhere in a file that loads the whole module later. */
const isNamed = (found: Import, text: string, { name }: Export): boolean =>
  found.kind === 'dynamic' || found.names.length === 0
    ? new RegExp(`\\b${name}\\b`).test(text)
    : found.names.includes(name)

const usedInSource = (one: Export): boolean =>
  imports.some(
    (found) =>
      isOwn(found) &&
      found.file !== one.file &&
      pathOf(found) === one.file &&
      isNamed(found, sourceText(found.file), one),
  )

const outside = ['bench', 'test'].flatMap((folder) =>
  readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file: `${folder}/${file}`, text: readFileSync(`${root}${folder}/${file}`, 'utf8') })),
)
const outsideImports = outside.flatMap(({ file, text }) =>
  importsOf(file, text)
    .filter(isOwn)
    .map((found) => ({ found, text })),
)
const usedOutside = (one: Export): boolean =>
  outsideImports.some(({ found, text }) => pathOf(found) === `src/${one.file}` && isNamed(found, text, one))

/** Values that tests and benchmarks look at from inside, and why. A type needs no reason: it is nothing at run time. */
const FOR_TESTS: Readonly<Record<string, readonly string[]>> = {
  'its bytes and limits are a published format; tests write it crooked': [
    'audit/merkle.ts emptyRoot',
    'audit/note.ts NOTE_LIMIT',
    'audit/note.ts encodeNote',
    'audit/sigstore.ts IN_TOTO',
    'audit/tar.ts BLOCK',
    'audit/tar.ts tarHeader',
    'kms/local.ts localKeyCodec',
    'transport/channel-frame.ts FRAME_LIMIT',
    'transport/noise.ts HandshakeError',
    'transport/relay/connection.ts OVERHEAD',
  ],
  'a published vector is of no key': ['formats/addresses.ts descriptorChecksum'],
  'a bundle in memory, as tests make them by the hundred': ['audit/tar.ts bufferSource'],
  'two ways to one key, held against each other': ['transport/kem.ts nativeKey', 'transport/kem.ts nobleKey'],
  'a deadline that a test can wait for': ['kms/aws-kms.ts awsKmsWithin'],
  'a table, row by row': ['audit/kinds/index.ts auditKinds', 'host/node-lines.ts nodeLines'],
  'each way to a passphrase alone': ['cli/secret-input.ts readPassphrase'],
  'published vectors and other implementations meet single formulas, liars single rounds': [
    'mpc/frost/keygen.ts keygenRounds',
    'mpc/frost/keygen.ts dealingHash',
    'mpc/frost/refresh.ts refreshRounds',
    'mpc/frost/refresh.ts refreshTerms',
    'mpc/frost/repair.ts repairRounds',
    'mpc/frost/repair.ts partsHash',
    'mpc/frost/repair.ts splitScalar',
    'mpc/frost/reshare.ts reshareRounds',
    'mpc/frost/reshare.ts reshareTerms',
    'mpc/frost/sign.ts signRounds',
    'mpc/frost/sign.ts commit',
    'mpc/frost/sign.ts openCommitment',
    'mpc/frost/sign.ts bindingFactors',
    'mpc/frost/sign.ts prepare',
    'mpc/frost/sign.ts signatureShare',
    'mpc/frost/sign.ts shareHolds',
    'mpc/frost/sign.ts aggregate',
    'mpc/frost/sign.ts failedSignatureShare',
    'mpc/frost/suite.ts bindSuite',
    'mpc/group/load.ts selfTest',
  ],
}

const told = ({ file, name }: Export): string => `${file} ${name}`
const unused = sourceFiles
  // oclif loads a command by its path; bin/ calls main.
  .filter((file) => !file.startsWith('commands/') && file !== 'cli/main.ts')
  .flatMap((file) => exportsOf(file, sourceText(file)))
  .filter((one) => !usedInSource(one))
const reasoned = Object.values(FOR_TESTS).flat()

describe('exports', () => {
  test('somebody in src imports each, or tests do for a reason', () => {
    const dead = unused.filter((one) => !(one.isType ? usedOutside(one) : reasoned.includes(told(one))))
    expect(dead.map(told)).toEqual([])
  })

  test('no reason is left over', () => {
    const needed = unused.filter((one) => !one.isType && usedOutside(one)).map(told)
    expect(reasoned.filter((one) => !needed.includes(one))).toEqual([])
  })

  test.each([
    ['export const a = 1', ['a']],
    ['export async function* b() {}', ['b']],
    ['const f = 1\nexport { f, g as h }', ['f', 'h']],
    ['export interface I {}\nexport abstract class J {}', ['I', 'J']],
    ['export type { K }', ['K']],
  ])('%s is seen', (text, names) => {
    expect(exportsOf('x.ts', text).map(({ name }) => name)).toEqual(names)
  })
})
