import { beforeAll, expect, test } from 'vitest'
import { readEvents } from '../../src/audit/log-export.ts'
import { parseTrust } from '../../src/audit/trust.ts'
import { peerMessageCodec } from '../../src/ceremony/peers/peer-message.ts'
import { readCard } from '../../src/identity/card.ts'
import { readCertificate } from '../../src/identity/certificate.ts'
import { fromEnvelope, toEnvelope } from '../../src/identity/dsse.ts'
import { rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import { identityOf, parseIdentity } from '../../src/identity/identity.ts'
import { localKeyCodec } from '../../src/kms/local.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { concat, fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Codec } from '../../src/records/codec.ts'
import { ceremonyId, definitionCodec } from '../../src/records/definition.ts'
import { drillCodec } from '../../src/records/drill.ts'
import { eventCodec } from '../../src/records/event.ts'
import { approvalCodec, type Card, cardCodec, certificateCodec } from '../../src/records/identity.ts'
import { type KeyHead, keyHeadCodec } from '../../src/records/key-head.ts'
import { ledgerExcerptCodec } from '../../src/records/ledger-excerpt.ts'
import { manifestCodec } from '../../src/records/manifest.ts'
import { noteCodec } from '../../src/records/note.ts'
import { outcomeCodec, recordCodec } from '../../src/records/outcome.ts'
import { rehearsalCodec } from '../../src/records/rehearsal.ts'
import {
  shardCiphertextCodec,
  shardCoreCodec,
  shardFileCodec,
  shardSlotsCodec,
} from '../../src/records/sealed-shard.ts'
import { decodeEnvelope, encodeEnvelope, pae, payloadType } from '../../src/records/signed.ts'
import { suspensionCodec } from '../../src/records/suspension.ts'
import { readHead } from '../../src/site/key-head.ts'
import { readReport, signReport } from '../../src/site/rehearsal-report.ts'
import { openSigned } from '../../src/site/signed-report.ts'
import { rehearsal } from '../rehearsal/support.ts'
import { keygenDefinition, reconstructDefinition, reshareDefinition, rewrapDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { type Corpus, loadCorpus } from './corpus.ts'
import { type Dice, mutateBytes, mutateText, mutateTree, writeJson } from './mutate.ts'
import { recordTargets } from './record-targets.ts'
import { fuzz, SOME_ACCEPTED, type Target } from './run.ts'
import { cborTarget, jsonTarget, oneOf } from './targets.ts'

let corpus: Corpus
beforeAll(async () => {
  corpus = await loadCorpus()
})

const payloads = (what: Parameters<Corpus['bodies']>[0]): readonly Uint8Array[] =>
  corpus.bodies(what).map((bytes) => decodeEnvelope(bytes, 2 ** 22).payload)

const signer = rawSigner(new Secret(new Uint8Array(32).fill(9)))
const seal = (type: string, payload: Uint8Array): Uint8Array => {
  const name = payloadType(type)
  const signature = signer.sign(pae(name, payload))
  return encodeEnvelope({ type: name, payload, keyid: keyIdOf(), signature })
}
let keyid = ''
const keyIdOf = (): string => keyid
beforeAll(async () => {
  const signed = await recordSigner('eu' as SiteId, signer).sign(approvalCodec, {
    ceremony: 'ab'.repeat(32) as never,
    identity: identityOf('site', signer.key),
    role: 'site',
    purpose: 'approve',
    at: 0,
  })
  keyid = decodeEnvelope(toEnvelope(signed), 65_536).keyid
})

/** A signed record: half of the time its payload is changed and signed again, so that the signature is not what refuses it. */
const signedTarget = <T>(
  codec: Codec<T>,
  good: readonly Uint8Array[],
  read: (envelope: Uint8Array) => Uint8Array,
  name = codec.type,
): Target => {
  const texts = good.map((bytes) => fromUtf8(bytes))
  return {
    name,
    limit: 2 * codec.limit + 1024,
    // Each is signed and verified.
    count: 0.3,
    make: (d) => {
      const payload = d.pick(texts)
      if (!d.chance(3)) return seal(codec.type, writeJson(d, mutateTree(d, JSON.parse(payload))))
      const envelope = seal(codec.type, utf8(payload))
      if (d.chance(2)) return mutateBytes(d, envelope)
      return writeJson(d, mutateTree(d, JSON.parse(fromUtf8(envelope))))
    },
    read,
  }
}

test('definition, as JSON', async () => {
  const { accepted } = await fuzz(
    jsonTarget(definitionCodec, [
      corpus.file('keygen.json'),
      corpus.file('sign.json'),
      definitionCodec.encode(await reshareDefinition()),
      definitionCodec.encode(await reconstructDefinition()),
      definitionCodec.encode(await rewrapDefinition()),
    ]),
  )
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('suspension', async () => {
  const good = suspensionCodec.encode({ key: 'ab'.repeat(32) as Hash, reason: 'broken into' })
  expect((await fuzz(jsonTarget(suspensionCodec, [good]))).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('card', async () => {
  const card: Card = { ...(await (await memoryHome('eu')).home.card()), identity: identityOf('site', signer.key) }
  const target = signedTarget(cardCodec, [cardCodec.encode(card)], (file) => {
    // What editors and mail programs leave around the line is no part of the card.
    const written = toEnvelope(readCard(file))
    const [mark = '', end = ''] = [/^\ufeff/, /\r?\n$/].map((edge) => edge.exec(fromUtf8(file))?.[0])
    return concat(utf8(mark), written, utf8(end))
  })
  const { accepted } = await fuzz(target)
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('approval', async () => {
  const good = payloads('approval')
  const target = signedTarget(approvalCodec, good, (file) =>
    toEnvelope(fromEnvelope(approvalCodec, file, [signer.key])),
  )
  expect((await fuzz(target)).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('report of a rehearsal', async () => {
  const definition = await keygenDefinition()
  const played = await rehearsal({ definition, faults: ['kill:us:ready'] })
  const key = { identity: identityOf('site', signer.key), signer: recordSigner('eu' as SiteId, signer) }
  const facts = {
    ...{ ceremony: ceremonyId(definition), kind: 'keygen', name: 'treasury', protocol: 'frost-ed25519' },
    ...{ at: 1_800_000_000_000, seed: 'seed', build: 'b1'.repeat(32) as never, runtime: 'node 20.20.2' },
  }
  const report = readReport(await signReport(key, facts, played), key.identity)
  const target = signedTarget(rehearsalCodec, [rehearsalCodec.encode(report)], (file) => {
    readReport(file, key.identity)
    return toEnvelope(fromEnvelope(rehearsalCodec, file, [signer.key]))
  })
  expect((await fuzz(target)).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('report of a drill', async () => {
  const identity = identityOf('site', signer.key)
  const report = drillCodec.encode({
    ...{
      incident: 'site-lost',
      site: 'ap' as SiteId,
      met: false,
      ceremony: 'ab'.repeat(32) as never,
      name: 'treasury',
    },
    ...{ protocol: 'frost-ed25519', identity, at: 1_800_000_000_000, seed: 'seed', build: 'b1'.repeat(32) as never },
    ...{ runtime: 'node 20.20.2' },
    steps: [{ what: 'a signature', state: 'nothing', limit: 60_000, waited: 900_000, measured: 7, met: false }],
  })
  const target = signedTarget(drillCodec, [report], (file) => {
    openSigned(drillCodec, file, parseTrust(identity))
    return toEnvelope(fromEnvelope(drillCodec, file, [signer.key]))
  })
  expect((await fuzz(target)).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('head of a key', async () => {
  const identity = identityOf('site', signer.key)
  const [key, record] = ['ab'.repeat(32), 'cd'.repeat(32)] as Hash[]
  const head = keyHeadCodec.encode({
    key,
    record,
    name: 'treasury',
    epoch: 3,
    identity,
    at: 1_800_000_000_000,
  } as KeyHead)
  const target = signedTarget(keyHeadCodec, [head], (file) => {
    readHead(file, parseTrust(identity))
    return toEnvelope(fromEnvelope(keyHeadCodec, file, [signer.key]))
  })
  expect((await fuzz(target)).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('certificate', async () => {
  const identity = identityOf('site', signer.key)
  const good = payloads('certificate').map((bytes) =>
    certificateCodec.encode({ ...certificateCodec.decode(bytes), identity }),
  )
  const authority = certificateCodec.decode(payloads('joined')[0] ?? utf8('')).authority
  const target = signedTarget(
    certificateCodec,
    [
      ...good,
      ...payloads('joined').map((bytes) => certificateCodec.encode({ ...certificateCodec.decode(bytes), identity })),
    ],
    (file) => {
      const { purpose } = certificateCodec.decode(decodeEnvelope(file, certificateCodec.limit).payload)
      const home = purpose === 'log' || purpose === 'cosign' || purpose === 'note'
      return toEnvelope(readCertificate(file, identity, purpose, home ? null : authority))
    },
  )
  await fuzz(target)
})

test('note', async () => {
  const identity = identityOf('site', signer.key)
  const note = noteCodec.encode({
    ceremony: 'cd'.repeat(32) as never,
    identity,
    counter: 7,
    at: 1_800_000_000_000,
    phase: 'gathering',
    approvals: ['AAAA', 'eyJ9'],
    votes: ['AQ=='],
    certificates: [],
    evidence: [],
    abort: 'the room is on fire',
  })
  const target = signedTarget(noteCodec, [note], (file) => toEnvelope(fromEnvelope(noteCodec, file, [signer.key])))
  expect((await fuzz(target)).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('envelope', async () => {
  const good = corpus.bodies('approval')
  const { accepted } = await fuzz({
    name: 'DSSE envelope',
    limit: 2 * 65_536 + 1024,
    make: (d) =>
      d.chance(4) ? mutateBytes(d, d.pick(good)) : writeJson(d, mutateTree(d, JSON.parse(fromUtf8(d.pick(good))))),
    read: (bytes) => encodeEnvelope(decodeEnvelope(bytes, 65_536)),
  })
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('sealed shard', async () => {
  const core = shardCoreCodec.encode({
    kind: 'keygen',
    key: 'ab'.repeat(32) as never,
    protocol: 'frost-ed25519',
    epoch: 1,
    index: 1 as never,
    threshold: 2,
    sites: 3,
    verifyingShare: 'cd'.repeat(32),
    outcome: 'ab'.repeat(32) as never,
    jurisdiction: 'EU',
    access: 'one-key',
  })
  const bytes = (n: number) => new Uint8Array(n).fill(n)
  const slots = shardSlotsCodec.encode([
    { provider: 'local', key: '/kms/eu.key', version: '1', wrapped: bytes(60), commitment: bytes(32) },
  ])
  const ciphertext = shardCiphertextCodec.encode({ salt: bytes(32), commitment: bytes(32), sealed: bytes(48) })
  const parts = [
    cborTarget(shardCoreCodec, [core]),
    cborTarget(shardSlotsCodec, [slots]),
    cborTarget(shardCiphertextCodec, [ciphertext]),
    cborTarget(shardFileCodec, [shardFileCodec.encode([core, ciphertext])]),
    jsonTarget(localKeyCodec, [
      localKeyCodec.encode({ versions: [{ version: 1, key: 'ab'.repeat(32) }] }),
      corpus.file('locked.key'),
    ]),
  ]
  expect((await fuzz(oneOf('sealed shard, local key', parts))).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('event, and lines of them', async () => {
  const { readers } = corpus
  const text = fromUtf8(await readers.sign.eventBytes(readers.sign.manifest.logs[0] as SiteId))
  const lines = text.trimEnd().split('\n').slice(0, 12)
  const events = jsonTarget(eventCodec, lines.map(utf8))
  const log: Target = {
    name: 'events',
    limit: 2 ** 20,
    make: (d) => {
      const own = [...lines]
      const at = d.below(own.length)
      const way = d.below(4)
      if (way === 0) own.splice(at, 1)
      else if (way === 1) own.splice(at, 0, own[at] ?? '')
      else own[at] = fromUtf8(mutated(d, own[at] ?? ''))
      const bytes = utf8(`${own.join('\n')}${d.chance(8) ? '' : '\n'}`)
      return d.chance(8) ? mutateBytes(d, bytes) : bytes
    },
    read: async (bytes) => {
      const out: Uint8Array[] = []
      const half = Math.floor(bytes.length / 2)
      for await (const batch of readEvents([bytes.subarray(0, half), bytes.subarray(half)]))
        for (const { event } of batch) out.push(eventCodec.encode(event), utf8('\n'))
      return concat(...out)
    },
  }
  const mutated = (d: Dice, line: string): Uint8Array => {
    const made = writeJson(d, mutateTree(d, JSON.parse(line)))
    try {
      fromUtf8(made)
      return made
    } catch {
      return utf8('{}')
    }
  }
  expect((await fuzz(oneOf('event/v1', [events, events, events, log]))).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('talk', async () => {
  const site = corpus.readers.sign.manifest.logs[0] as SiteId
  const raw = (n: number) => new Uint8Array(32).fill(n)
  const good = [
    peerMessageCodec.encode({ is: 'object', name: 'approval', bytes: corpus.bodies('approval')[0] ?? raw(0) }),
    peerMessageCodec.encode({ is: 'have', objects: [raw(12), raw(13)] }),
    peerMessageCodec.encode({ is: 'ask', objects: [raw(14)] }),
    peerMessageCodec.encode({ is: 'gone', objects: [raw(15)] }),
    peerMessageCodec.encode({ is: 'remember', note: new Uint8Array() }),
    peerMessageCodec.encode({ is: 'ledger', note: raw(1), from: 3, proof: [raw(2), raw(3)] }),
    peerMessageCodec.encode({
      is: 'log',
      events: await corpus.readers.sign.eventBytes(site),
      checkpoint: raw(5),
      ledger: raw(6),
    }),
    peerMessageCodec.encode({ is: 'want', objects: [raw(7), raw(8)] }),
    peerMessageCodec.encode({ is: 'body', bytes: raw(9) }),
    peerMessageCodec.encode({ is: 'cosignature', of: 'eu' as SiteId, line: raw(10) }),
    peerMessageCodec.encode({ is: 'manifest', signature: new Uint8Array(64) }),
  ]
  expect((await fuzz(cborTarget(peerMessageCodec, good))).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('all that is said in a ceremony: every signed record, outcome, record', async () => {
  const parts = [
    ...recordTargets(corpus),
    jsonTarget(outcomeCodec, corpus.bodies('outcome')),
    jsonTarget(recordCodec, corpus.bodies('record')),
  ]
  expect((await fuzz(oneOf('records of a ceremony', parts))).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('manifest, and what a bundle shows of a ledger', async () => {
  const { readers } = corpus
  const site = readers.sign.manifest.logs[0] as SiteId
  // A short one: what is changed shall be more than names of files.
  const manifest = { ...readers.sign.manifest, files: readers.sign.manifest.files.slice(0, 6) }
  const parts = [
    jsonTarget(manifestCodec, [manifestCodec.encode(manifest)]),
    jsonTarget(ledgerExcerptCodec, [await readers.sign.ledger(site)]),
  ]
  expect((await fuzz(oneOf('manifest, ledger part', parts))).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('identity', async () => {
  const good = (['site', 'approver', 'relay'] as const).map((role) => identityOf(role, signer.key))
  const { accepted } = await fuzz({
    name: 'identity',
    limit: 2 ** 16,
    make: (d) => {
      const text = d.pick(good)
      return utf8(
        (d.chance(20) ? text : d.chance(3) ? mutateText(d, mutateText(d, text)) : mutateText(d, text)).toWellFormed(),
      )
    },
    read: (bytes) => {
      const text = Buffer.from(bytes).toString('utf8')
      const found = parseIdentity(text)
      return found && utf8(identityOf(found.role, found.key))
    },
  })
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
})
