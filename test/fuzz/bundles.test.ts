import { beforeAll, expect, test } from 'vitest'
import { buildBundle, readBundle } from '../../src/audit/bundle.ts'
import { encodeNote, parseCheckpoint, parseNote } from '../../src/audit/note.ts'
import { openSigstore } from '../../src/audit/sigstore.ts'
import { bufferSource, readTar, type TarFile, tarHeader, writeTar } from '../../src/audit/tar.ts'
import { parseTrust } from '../../src/audit/trust.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { parseIdentity } from '../../src/identity/identity.ts'
import type { KeyHex, SiteId } from '../../src/lib/brand.ts'
import { fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { type Manifest, manifestCodec } from '../../src/records/manifest.ts'
import { report } from '../support/report.ts'
import { type Corpus, loadCorpus } from './corpus.ts'
import { type Dice, mutateBytes, mutateText, mutateTree, NASTY, writeJson } from './mutate.ts'
import { fuzz, SOME_ACCEPTED, type Target } from './run.ts'

let corpus: Corpus
beforeAll(async () => {
  corpus = await loadCorpus()
})

const tarOf = (files: readonly TarFile[]): Uint8Array => {
  const blocks = files.flatMap(({ name, bytes }) => [
    tarHeader(name, bytes.length),
    bytes,
    new Uint8Array((512 - (bytes.length % 512)) % 512),
  ])
  return new Uint8Array(Buffer.concat([...blocks, new Uint8Array(1024)]))
}
const filesIn = async (bundle: Uint8Array): Promise<TarFile[]> =>
  (await readTar(bufferSource(bundle), 10_000)).map(({ name, at, size }) => ({
    name,
    bytes: bundle.slice(at, at + size),
  }))

/** Places in a header that a lax reader lets be. */
const FIELDS = [0, 99, 100, 108, 116, 124, 136, 148, 155, 156, 157, 257, 263, 265, 297, 329, 345, 500, 511]

test('tar', async () => {
  const good = tarOf([
    { name: 'manifest.json', bytes: utf8('{}') },
    { name: 'objects/ab', bytes: new Uint8Array(512).fill(1) },
    { name: 'z', bytes: new Uint8Array(0) },
  ])
  const headers = [0, 1024, 2048]
  const { accepted } = await fuzz({
    name: 'tar',
    limit: 2 ** 20,
    make: (d) => {
      const bytes = good.slice()
      switch (d.below(6)) {
        case 0:
          return mutateBytes(d, good)
        case 1: {
          const block = d.below(bytes.length / 512)
          return new Uint8Array(
            Buffer.concat([good.subarray(0, block * 512), good.subarray((block + d.below(3)) * 512)]),
          )
        }
        case 2: {
          // A header that a writer of ours would have made, somewhere else.
          const name = d.pick(['a', 'manifest.json', 'objects/ab', 'a/../b', 'A', `a${'b'.repeat(d.below(100))}`])
          try {
            bytes.set(tarHeader(name, d.pick([0, 1, 2, 511, 512, 513, 4096])), d.pick(headers))
          } catch {
            bytes[5] = 1
          }
          return bytes
        }
        default: {
          const at = d.pick(headers) + d.pick(FIELDS)
          bytes[at] = d.pick([0, 32, 48, 49, 55, 56, 128, 255])
          if (d.chance(2)) fixChecksum(bytes, at - (at % 512))
          return bytes
        }
      }
    },
    read: async (bytes) => {
      const entries = await readTar(bufferSource(bytes), 100)
      return tarOf(entries.map(({ name, at, size }) => ({ name, bytes: bytes.subarray(at, at + size) })))
    },
  })
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
  const pieces: Uint8Array[] = []
  for await (const piece of writeTar(await filesIn(good))) pieces.push(piece)
  expect(new Uint8Array(Buffer.concat(pieces))).toEqual(good)
})

const fixChecksum = (bytes: Uint8Array, from: number): void => {
  bytes.fill(32, from + 148, from + 156)
  const sum = bytes.subarray(from, from + 512).reduce((total, byte) => total + byte, 0)
  bytes.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), from + 148)
}

/** A bundle of one site's abort, cut down to what is small. */
const smallBundle = async (): Promise<{ readonly files: readonly TarFile[]; readonly whole: Uint8Array }> => {
  const reader = corpus.readers.abort
  const [site] = reader.manifest.logs as [SiteId]
  const events = fromUtf8(await reader.eventBytes(site))
    .split('\n')
    .slice(0, 6)
    .join('\n')
  const bundle = await buildBundle({
    definition: reader.definitionBytes,
    sites: new Map([
      [
        site,
        {
          events: utf8(`${events}\n`),
          checkpoint: fromUtf8(await reader.checkpoint(site)),
          ledger: await reader.ledger(site),
        },
      ],
    ]),
    outputs: new Map([['public-key.hex', utf8('00\n')]]),
    object: (hash) => reader.object(hash),
  })
  const pieces: Uint8Array[] = []
  for await (const piece of bundle.finish({ cosignatures: new Map(), signatures: reader.signatures }))
    pieces.push(piece)
  const whole = new Uint8Array(Buffer.concat(pieces))
  return { files: await filesIn(whole), whole }
}

/** Files changed one way or another, under a manifest that most of the time says what they are now. */
const changed = (d: Dice, files: readonly TarFile[]): Uint8Array => {
  const [manifest, ...rest] = files
  const inside = rest.filter(({ name }) => !/^(?:cosignatures|signatures)\//.test(name))
  const outside = rest.filter(({ name }) => /^(?:cosignatures|signatures)\//.test(name))
  const at = d.below(inside.length)
  const file = inside[at] as TarFile
  const replace = (bytes: Uint8Array): void => {
    const name = file.name.startsWith('objects/') && !d.chance(6) ? `objects/${hashOf(bytes)}` : file.name
    inside[at] = { name, bytes }
  }
  switch (d.below(7)) {
    case 0:
      inside.splice(at, 1)
      break
    case 1:
      inside.splice(at, 0, file)
      break
    case 2:
      inside[at] = {
        ...file,
        name:
          mutateText(d, file.name)
            .replace(/[^a-zA-Z0-9._/-]/g, '')
            .slice(0, 99) || 'x',
      }
      break
    case 3:
      inside.push(...inside.splice(at, 1))
      break
    default:
      try {
        replace(writeJson(d, mutateTree(d, JSON.parse(fromUtf8(file.bytes)))))
      } catch {
        replace(mutateBytes(d, file.bytes))
      }
  }
  if (d.chance(3)) inside.sort((a, b) => (a.name < b.name ? -1 : 1))
  const stated = manifestCodec.decode(manifest?.bytes ?? utf8(''))
  const told: Manifest = {
    ...stated,
    ceremony: d.chance(8)
      ? stated.ceremony
      : hashOf(inside.find(({ name }) => name === 'definition.json')?.bytes ?? utf8('')),
    files: inside.map(({ name, bytes }) => ({ name, size: bytes.length, sha256: hashOf(bytes) })),
  }
  let written: Uint8Array
  try {
    written = manifestCodec.encode(told)
  } catch {
    written = manifest?.bytes ?? utf8('')
  }
  if (d.chance(8)) written = writeJson(d, mutateTree(d, JSON.parse(fromUtf8(written))))
  try {
    return tarOf([{ name: 'manifest.json', bytes: written }, ...inside, ...outside])
  } catch {
    return tarOf(files)
  }
}

test('bundle: read, and written again', async () => {
  const { files, whole } = await smallBundle()
  report(`bundle of ${whole.length} bytes and ${files.length} files`)
  let verified = 0
  let read = 0
  const target: Target = {
    name: 'bundle',
    count: 0.3,
    limit: 2 ** 20,
    make: (d) => (d.chance(8) ? mutateBytes(d, whole) : changed(d, files)),
    read: async (bytes) => {
      const reader = await readBundle(bufferSource(bytes))
      const all: TarFile[] = [{ name: 'manifest.json', bytes: manifestCodec.encode(reader.manifest) }]
      const source = new Map((await readTar(bufferSource(bytes), 1000)).map((entry) => [entry.name, entry]))
      for (const { name } of reader.manifest.files) {
        const entry = source.get(name)
        if (entry === undefined) throw new Error('a file of the manifest that is not there')
        all.push({ name, bytes: bytes.subarray(entry.at, entry.at + entry.size) })
      }
      for (const [name, entry] of source)
        if (/^(?:cosignatures|signatures)\//.test(name))
          all.push({ name, bytes: bytes.subarray(entry.at, entry.at + entry.size) })
      // What a bundle of good form says, some of the time: any verdict, never a crash.
      if (read++ % 10 === 0) {
        const report = await verifyBundle(reader, { trust: 'stated', evidence: protocolEvidence })
        verified += 1
        expect(['valid', 'invalid', 'incomplete']).toContain(report.verdict)
      }
      return tarOf(all)
    },
  }
  const { accepted } = await fuzz(target)
  report(`bundle: ${verified} of them verified`)
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
  expect(verified).toBeGreaterThan(3)
})

test('signed note and checkpoint', async () => {
  const { readers } = corpus
  const notes: string[] = []
  for (const reader of [readers.keygen, readers.sign])
    for (const site of reader.manifest.logs) notes.push(fromUtf8(await reader.cosigned(site)))
  const edit = (d: Dice): string => {
    const lines = d.pick(notes).split('\n')
    const at = d.below(lines.length)
    switch (d.below(5)) {
      case 0:
        lines.splice(at, 1)
        break
      case 1:
        lines.splice(at, 0, lines[d.below(lines.length)] ?? '')
        break
      case 2:
        lines.push(...lines.splice(at, 1))
        break
      case 3:
        lines[at] = `${d.pick(['\u2014 ', '- ', '\u2014', ''])}${lines[at] ?? ''}${d.pick(NASTY)}`
        break
      default:
        lines[at] = mutateText(d, lines[at] ?? '')
    }
    return lines.join(d.chance(20) ? '\r\n' : '\n')
  }
  const { accepted } = await fuzz({
    name: 'signed note',
    limit: 32_768,
    make: (d) => (d.chance(6) ? mutateBytes(d, utf8(d.pick(notes))) : new Uint8Array(Buffer.from(edit(d)))),
    read: (bytes) => {
      const note = parseNote(bytes)
      try {
        const head = parseCheckpoint(bytes)
        if (encodeNote(head.note) !== encodeNote(note)) throw new Error('two readings of one note')
      } catch (error) {
        if ((error as Error).name !== 'DecodeError') throw error
      }
      return utf8(encodeNote(note))
    },
  })
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('manifest signature', async () => {
  const { manifestBytes, definition, signatures } = corpus.readers.sign
  // A short statement under a long one's name would be refused for its bytes alone: the signature is what is changed.
  const goods = [...signatures].map(([site, bytes]) => {
    const identity = definition.sites.find((one) => one.name === site)?.identity ?? ''
    return { key: parseIdentity(identity)?.key as KeyHex, bytes }
  })
  const [good] = goods
  if (good === undefined) throw new Error('no signature')
  await fuzz({
    name: 'manifest signature',
    limit: 2 ** 20,
    count: 0.1,
    make: (d) => {
      if (d.chance(30)) return good.bytes
      if (d.chance(4)) return mutateBytes(d, good.bytes)
      return writeJson(d, mutateTree(d, JSON.parse(fromUtf8(good.bytes))))
    },
    read: (bytes) => {
      openSigstore(bytes, manifestBytes, good.key)
      return good.bytes
    },
  })
})

test('trust file', async () => {
  const identities = corpus.readers.keygen.definition.sites.map(({ identity }) => identity)
  const cards = fromUtf8(corpus.file('trusted-sites.txt'))
    .split('\n')
    .filter((line) => line.startsWith('{'))
  const lines = [
    '# whom we know',
    '',
    ...identities,
    `${identities[0]} revoked 2026-12-01T09:00:00Z`,
    `${identities[1]}   # of the second site`,
    cards[0] ?? '',
    `${cards[1]} revoked 2026-12-01T09:00:00Z # lost`,
  ]
  let known = 0
  await fuzz({
    name: 'trust file',
    limit: 2 ** 20,
    make: (d) => {
      const own = Array.from({ length: 1 + d.below(4) }, () => d.pick(lines))
      const at = d.below(own.length)
      if (!d.chance(6))
        own[at] = d.chance(2)
          ? mutateText(d, own[at] ?? '')
          : `${own[at]}${d.pick([' ', '\t', '#', ' revoked', ' revoked x', ...NASTY])}`
      return new Uint8Array(Buffer.from(own.join(d.chance(8) ? '\r\n' : '\n')))
    },
    read: (bytes) => {
      const text = Buffer.from(bytes).toString('utf8')
      const trust = parseTrust(text)
      expect(trust.size).toBeLessThanOrEqual(text.split('\n').length)
      known += trust.size
      for (const identity of identities) {
        const revoked = trust.revoked(identity)
        if (typeof revoked === 'number' && !Number.isSafeInteger(revoked)) throw new Error('revoked at no time')
      }
      return bytes
    },
  })
  expect(known).toBeGreaterThan(SOME_ACCEPTED)
})
