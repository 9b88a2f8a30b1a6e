import { describe, expect, test } from 'vitest'
import {
  sourceFiles as files,
  folderOf,
  type Import,
  imports,
  isOwn as own,
  reachedFrom,
  sourceText,
  targetOf,
} from '../../scripts/imports.mjs'

const packageOf = (target: string): string =>
  target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
const told = (found: Import): string => `${found.file} → ${found.target} (${found.kind})`

const parts = ['mpc', 'kms', 'transport', 'attestation', 'audit', 'shards', 'chains', 'identity', 'recipients']
/** What a folder may import; sideways among the parts only types, and what `shared` names. */
const below: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  records: ['lib'],
  host: ['lib'],
  ...Object.fromEntries(parts.map((part) => [part, ['records', 'lib']])),
  ceremony: [...parts, 'records', 'lib'],
  // Without `host`: a rehearsal cannot reach a disk, a socket or a home.
  rehearsal: ['ceremony', ...parts, 'records', 'lib'],
  site: ['ceremony', 'rehearsal', 'host', ...parts, 'records', 'lib'],
  formats: ['lib'],
  cli: ['formats', 'lib'],
  commands: ['cli', 'formats'],
}
/** Verifying a signature is nobody's secret: these may be imported as values by other parts. */
const shared = ['identity/ed25519.ts', 'identity/identity.ts', 'identity/dsse.ts']

/** Small: cli and formats may use these as values. */
const leaves = [
  'host/input.ts',
  'records/access.ts',
  'records/kinds/row.ts',
  'records/protocols.ts',
  'records/recipient-id.ts',
  'records/short-id.ts',
  'identity/words.ts',
]

const allowed = (found: Import): boolean => {
  const from = folderOf(found.file)
  const target = targetOf(found)
  const to = folderOf(target)
  if (from === to || below[from]?.includes(to)) return true
  if (parts.includes(from) && parts.includes(to)) return found.kind === 'type' || shared.includes(target)
  if (['cli', 'formats'].includes(from) && leaves.includes(target)) return true
  // Results are typed where they are made; cli only shows them. A command loads its use case when it runs.
  if (from === 'cli') return found.kind === 'type' || (found.kind === 'dynamic' && to === 'site')
  if (from === 'formats') return found.kind === 'type'
  if (from === 'commands') return found.kind !== 'value'
  return false
}

/** Where each third-party package may be imported; everything else is a mistake or needs a line here. */
const homes: Readonly<Record<string, readonly string[]>> = {
  '@oclif/core': ['cli/', 'commands/'],
  chalk: ['cli/term.ts'],
  '@inquirer/prompts': ['cli/ask.ts'],
  ws: ['transport/'],
  valibot: ['records/', 'identity/', 'audit/', 'transport/', 'ceremony/', 'kms/', 'mpc/', 'site/'],
  yaml: ['records/yaml.ts'],
  cborg: ['lib/cbor.ts'],
  canonicalize: ['lib/canonical.ts'],
  '@scure/base': ['identity/', 'formats/addresses.ts', 'formats/private-key.ts', 'recipients/fault.ts'],
  'age-encryption': ['recipients/age.ts'],
  '@aws-sdk/client-kms': ['kms/aws-kms.ts'],
  pkijs: ['recipients/x509.ts'],
  '@scure/bip39': ['identity/words.ts'],
  '@noble/curves': ['mpc/', 'identity/'],
  '@bitauth/libauth': ['mpc/group/'],
  '@noble/hashes': ['mpc/'],
  '@noble/post-quantum': ['transport/'],
  'libsodium-wrappers-sumo': ['mpc/group/'],
  'tiny-secp256k1': ['mpc/group/'],
  '@google-cloud/kms': ['kms/gcp-kms.ts'],
  pkcs11js: ['kms/pkcs11.ts'],
  '@aws-sdk/client-s3': ['shards/stores/s3.ts'],
  '@google-cloud/storage': ['shards/stores/gs.ts'],
  '@azure/storage-blob': ['shards/stores/azblob.ts'],
  '@azure/identity': ['kms/azure-kv.ts', 'shards/stores/azblob.ts'],
  '@azure/keyvault-keys': ['kms/azure-kv.ts'],
}

describe('imports', () => {
  test('arrows point down, and sideways only to types', () => {
    expect(
      imports
        .filter(own)
        .filter((found) => !allowed(found))
        .map(told),
    ).toEqual([])
  })

  test('every folder has a place', () => {
    expect([...new Set(files.map(folderOf))].filter((folder) => !(folder in below))).toEqual([])
  })

  test('every package has one home', () => {
    const strays = imports
      .filter((found) => !own(found) && !found.target.startsWith('node:'))
      .filter(({ file, target }) => !homes[packageOf(target)]?.some((home) => file.startsWith(home)))
    expect(strays.map(told)).toEqual([])
  })

  test('and every home is lived in', () => {
    const empty = Object.entries(homes).flatMap(([name, places]) =>
      places
        .filter((place) => !imports.some(({ file, target }) => packageOf(target) === name && file.startsWith(place)))
        .map((place) => `${name} in ${place}`),
    )
    expect(empty).toEqual([])
  })

  test('own files are named with their extension, and types come by import type', () => {
    expect(imports.filter((found) => own(found) && !/\.(?:ts|json)$/.test(found.target)).map(told)).toEqual([])
  })

  test('commands load nothing at start but oclif and cli', () => {
    const heavy = imports
      .filter(({ file, kind }) => file.startsWith('commands/') && kind === 'value')
      .filter((found) =>
        own(found)
          ? !['cli', 'formats'].includes(folderOf(targetOf(found)))
          : !['@oclif/core', 'node:path'].includes(found.target),
      )
    expect(heavy.map(told)).toEqual([])
  })

  test('what every command loads is light', () => {
    const roots = files.filter((file) => file.startsWith('commands/'))
    const loaded = reachedFrom(['cli/main.ts', ...roots], ['value'])
    const packages = imports
      .filter((found) => found.kind === 'value' && loaded.has(found.file))
      .filter((found) => !own(found) && !found.target.startsWith('node:'))
      .map((found) => packageOf(found.target))
    expect([...new Set(packages)].sort()).toEqual(['@oclif/core', 'chalk'])
  })

  test('the library and the records touch neither machine nor network', () => {
    const machine = /^node:(?:fs|net|http|https|tls|child_process|os|dns|dgram|worker_threads|process)/
    const found = imports.filter(
      ({ file, target }) => /^(?:lib|records|mpc|audit)\//.test(file) && machine.test(target),
    )
    expect(found.filter(({ file }) => !file.startsWith('audit/')).map(told)).toEqual([])
  })

  test('nothing below cli reads the environment, prints or exits', () => {
    const forbidden = /(?<!\.)\bprocess\.(?:env|exit|argv|stdout|stderr|stdin)\b|\bconsole\./
    const found = files
      .filter((file) => !file.startsWith('cli/') && !file.startsWith('commands/'))
      .filter((file) => forbidden.test(sourceText(file)))
    expect(found).toEqual([])
  })
})
