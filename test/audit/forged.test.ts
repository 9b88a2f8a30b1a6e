import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { allChecks, type CheckId } from '../../src/audit/check-table.ts'
import {
  cosignLine,
  ledgerOrigin,
  parseCheckpoint,
  parseNote,
  signCheckpoint,
  witnessName,
} from '../../src/audit/note.ts'
import type { ProtocolEvidence } from '../../src/audit/protocol-evidence.ts'
import { encodeSigstore, IN_TOTO } from '../../src/audit/sigstore.ts'
import { type VerifyOptions, type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { transcriptOf } from '../../src/ceremony/session/transcript.ts'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { type RawSigner, rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { fromBase64, fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf, sha256 } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { type Attempt, attemptCodec, type Hello, helloCodec } from '../../src/records/attempt.ts'
import type { Codec } from '../../src/records/codec.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import type { LogEvent } from '../../src/records/event.ts'
import { certificateCodec } from '../../src/records/identity.ts'
import type { Kind } from '../../src/records/kinds/index.ts'
import { ledgerExcerptCodec } from '../../src/records/ledger-excerpt.ts'
import { noteCodec } from '../../src/records/note.ts'
import {
  installedCodec,
  type Outcome,
  outcomeCodec,
  possessionCodec,
  readyCodec,
  recordCodec,
  resultCodec,
  stagedCodec,
  testSignatureCodec,
} from '../../src/records/outcome.ts'
import { recordNames, recordTable } from '../../src/records/record-table.ts'
import { blameCodec, messageCodec } from '../../src/records/round.ts'
import { decodeEnvelope, pae } from '../../src/records/signed.ts'
import { type Chain, messageKeyIn, open, sharedChain } from '../support/bundles.ts'
import { type Draft, forge } from '../support/forge.ts'
import { inTurn, many } from '../support/report.ts'

/**
 * Everything here is made by somebody who owns all keys and signs again whatever a change touches: each forgery is
 * refused by the one check that it names, and by no other.
 */

let chain: Chain
beforeAll(async () => {
  chain = await sharedChain()
})

const [eu, us, ap] = ['eu', 'us', 'ap'] as [SiteId, SiteId, SiteId]
const stranger = rawSigner(new Secret(new Uint8Array(32).fill(77)))
const other = hashOf(utf8('something else'))

const verify = async (bytes: Uint8Array, changes: Partial<VerifyOptions> = {}): Promise<VerifyReport> =>
  verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence, ...changes })
/** Checks that refuse the bundle, or name who contradicts itself in it. */
const failing = (report: VerifyReport): readonly string[] =>
  report.checks
    .filter(({ id, verdict, accused }) => id !== 'blame.contradicted' && (verdict === 'fails' || accused !== undefined))
    .map(({ id }) => id)

const opened = <T>(draft: Draft, codec: Codec<T>, object: Hash): T =>
  codec.decode(decodeEnvelope(draft.bytes(object), codec.limit).payload)

/** Re-signs the record that a site made under this event's name, changed. */
const change = async <T extends object>(
  draft: Draft,
  site: SiteId,
  what: LogEvent['what'],
  codec: Codec<T>,
  to: (value: T) => T,
): Promise<void> => {
  for (const events of draft.logs.values())
    for (const event of events) {
      if (event.what !== what || event.site !== site || event.object === null) continue
      const old = event.object
      draft.swap(old, await draft.sign(site, codec, to(opened(draft, codec, old))))
      return
    }
  throw new Error(`no ${what} of ${site}`)
}

/** A head larger than any here, signed by the ledger's key. */
const largerHead = (draft: Draft, site: SiteId, root: Uint8Array = sha256()) => {
  const head = { origin: ledgerOrigin(home(draft, site).identity), size: 1000, root }
  return { head, object: draft.put(utf8(signCheckpoint(head, home(draft, site).keys.log))) }
}

const garbage = (what: LogEvent['what']) => (draft: Draft) =>
  draft.add(eu, { what, site: us, object: draft.put(utf8(`not a ${what}`)) })

const home = (draft: Draft, site: SiteId) => {
  const found = draft.homes.get(site)
  return found ?? expect.fail(`no home ${site}`)
}

/** One more attempt, signed by all and never begun, as honest sites would have made it but for what `tweak` does. */
const addAttempt = async (
  draft: Draft,
  tweak: {
    hello?: (hello: Hello) => Hello
    attempt?: (attempt: Attempt) => Attempt
    key?: { site: SiteId; raw: RawSigner; expires: number }
  } = {},
): Promise<void> => {
  const sites = [...draft.logs.keys()]
  const previous = draft.named('attempt').at(-1) ?? expect.fail()
  const last = attemptCodec.decode(draft.bytes(previous))
  const keyOf = (site: SiteId) => (tweak.key?.site === site ? tweak.key.raw : messageKeyIn(draft.definition, site))
  if (tweak.key !== undefined) {
    const { site, raw, expires } = tweak.key
    const { signer, identity } = await home(draft, site).unlock()
    const certificate = await certify(signer, identity, 'message', raw.key, {
      authority: ceremonyId(draft.definition),
      expires,
    })
    draft.add(site, { what: 'certificate', site, object: draft.put(toEnvelope(certificate)) }, 'ready')
  }
  const participants: Attempt['participants'] = []
  for (const { site, hello } of last.participants) {
    const old = draft
      .named('hello')
      .map((object) => opened(draft, helloCodec, object))
      .find((one) => one.site === site && hashOf(helloCodec.encode(one)) === hello)
    if (old === undefined) throw new Error('no hello')
    const certificate = draft
      .named('certificate')
      .concat(draft.named('joined'))
      .map((object) => opened(draft, certificateCodec, object))
      .find((one) => one.key === keyOf(site).key && one.purpose === 'message')
    if (certificate === undefined) throw new Error('no certificate')
    const plain: Hello = {
      ...old,
      nonce: toHex(sha256(utf8(`${site} ${last.number}`)).subarray(0, 16)),
      certificate: hashOf(certificateCodec.encode(certificate)),
      lastAttempt: previous,
      attempts: last.number,
    }
    const value = site === eu ? (tweak.hello?.(plain) ?? plain) : plain
    const object = await draft.sign(site, helloCodec, value, keyOf(site))
    for (const log of sites) draft.add(log, { what: 'hello', site, object }, 'ready')
    const bytes = helloCodec.encode(value)
    participants.push({ site, key: keyOf(site).key, hello: hashOf(bytes), last: value.lastAttempt })
  }
  const plain: Attempt = { ...last, number: last.number + 1, participants }
  const attempt = tweak.attempt?.(plain) ?? plain
  const object = draft.put(attemptCodec.encode(attempt))
  for (const log of sites) {
    draft.add(log, { what: 'attempt', object }, 'ready')
    draft.add(log, { what: 'failed', object }, 'ready')
    const ledger = draft.ledgers.get(log) ?? []
    const place = ledger.findLastIndex(({ what }) => what === 'attempt-signed') + 1
    ledger.splice(place, 0, { at: 0, what: 'attempt-signed', ceremony: attempt.ceremony, site: null, object })
  }
  for (const { site } of participants) {
    const signature = await draft.sign(site, attemptCodec, attempt, keyOf(site))
    for (const log of sites) draft.add(log, { what: 'attempt-signature', site, object: signature }, 'ready')
  }
}

/** The messages of the attempt's own session. */
const ownMessages = async (draft: Draft) => {
  const evidence = await protocolEvidence(draft.definition)
  const attempts = draft.named('attempt')
  return draft
    .named('message')
    .map((object) => ({ object, post: evidence.readSignedMessage(draft.bytes(object)) }))
    .filter(({ post }) => attempts.includes(toHex(post.session) as Hash))
}

/**
 * All that follows from another outcome, signed by everybody; proofs by the shares cannot be made and stay as they were.
 * What was said in the sessions of test signatures was about the record that it replaces, and goes.
 */
const remake = async (draft: Draft, to: (outcome: Outcome) => Outcome): Promise<void> => {
  const own = new Set<Hash | null>((await ownMessages(draft)).map(({ object }) => object))
  for (const [site, events] of draft.logs)
    draft.logs.set(
      site,
      events.filter(({ what, object }) => what !== 'message' || own.has(object)),
    )
  const [oldOutcome] = draft.named('outcome')
  const [oldRecord] = draft.named('record')
  if (oldOutcome === undefined || oldRecord === undefined) throw new Error('no outcome')
  const made = to(outcomeCodec.decode(draft.bytes(oldOutcome)))
  const outcome = draft.put(outcomeCodec.encode(made))
  const record = draft.put(recordCodec.encode({ ...recordCodec.decode(draft.bytes(oldRecord)), outcome }))
  draft.swap(oldOutcome, outcome)
  draft.swap(oldRecord, record)
  for (const ledger of draft.ledgers.values())
    for (const [at, event] of ledger.entries())
      if (event.object === oldRecord) ledger[at] = { ...event, object: record }
  for (const site of draft.logs.keys()) {
    await change(draft, site, 'staged', stagedCodec, (value) => ({ ...value, outcome }))
    await change(draft, site, 'possession', possessionCodec, (value) => ({ ...value, record }))
    await change(draft, site, 'ready', readyCodec, (value) => ({ ...value, record }))
    await change(draft, site, 'installed', installedCodec, (value) => ({ ...value, record }))
  }
  for (const object of draft.named('test-signature')) {
    const value = opened(draft, testSignatureCodec, object)
    draft.swap(object, await draft.sign(value.site, testSignatureCodec, { ...value, record }))
  }
}

/** Maths that a forger of everything would get past: only what the check looks at is left. */
const blind =
  (changes: Partial<ProtocolEvidence> = {}): VerifyOptions['evidence'] =>
  async (definition) => ({
    ...(await protocolEvidence(definition)),
    verifyPossession: () => true,
    verifySignature: () => true,
    ...changes,
  })

interface Forgery {
  readonly check: CheckId
  readonly of?: Kind
  readonly does: string
  readonly edit: (draft: Draft) => void | Promise<void>
  readonly with?: Partial<VerifyOptions>
}

const forgeries: readonly Forgery[] = [
  {
    check: 'definition.approved',
    does: 'begins before one approval was there',
    edit: (draft) => {
      const events = draft.logs.get(eu) ?? []
      const place = events.findLastIndex(({ what }) => what === 'approval')
      const [approval] = events.splice(place, 1)
      if (approval !== undefined) draft.add(eu, approval)
    },
  },
  {
    check: 'definition.logged',
    does: 'names another definition in one log',
    edit: (draft) => {
      const events = draft.logs.get(eu) ?? []
      const place = events.findIndex(({ what }) => what === 'definition')
      events[place] = { ...(events[place] ?? expect.fail()), object: draft.put(utf8('another definition')) }
    },
  },
  {
    check: 'definition.sound',
    does: 'runs a definition that lint refuses',
    edit: () => undefined,
    with: { evidence: blind({ faultsOf: () => ['threshold: 4 of 3 sites can never sign'] }) },
  },
  {
    check: 'identities.separate',
    does: 'certifies one key for two purposes',
    edit: async (draft) => {
      const { signer, identity } = await home(draft, eu).unlock()
      const twice = await certify(signer, identity, 'note', home(draft, eu).keys.cosign.key)
      draft.add(eu, { what: 'certificate', site: eu, object: draft.put(toEnvelope(twice)) })
    },
  },
  {
    check: 'log.whole',
    does: 'signs a checkpoint over other events',
    edit: (draft) => {
      draft.afterwards.set(eu, (part) => {
        const [origin = '', size] = parseNote(part.checkpoint).text.split('\n')
        const head = { origin, size: Number(size), root: sha256(utf8('other events')) }
        return { ...part, checkpoint: signCheckpoint(head, home(draft, eu).keys.log) }
      })
    },
  },
  {
    check: 'log.signed',
    does: 'signs a checkpoint with another key',
    edit: (draft) => {
      draft.afterwards.set(eu, (part) => {
        const [origin = '', size, root = ''] = parseNote(part.checkpoint).text.split('\n')
        return { ...part, checkpoint: signCheckpoint({ origin, size: Number(size), root: fromBase64(root) }, stranger) }
      })
    },
  },
  {
    check: 'log.ordered',
    does: 'begins an attempt after it voted',
    edit: (draft) => draft.add(eu, { what: 'started', object: draft.named('attempt')[0] ?? null }),
  },
  {
    check: 'log.timed',
    does: 'has a log that is a day older than the hellos that its site signed',
    edit: (draft) => {
      const events = draft.logs.get(eu) ?? []
      draft.logs.set(
        eu,
        events.map((event) => ({ ...event, at: event.at - 86_400_000 })),
      )
    },
  },
  {
    check: 'log.kept',
    does: 'takes its own receipt out of its log',
    edit: (draft) => {
      const events = draft.logs.get(eu) ?? []
      const lost = events.findIndex(({ what, site }) => what === 'installed' && site === eu)
      events.splice(lost, 1)
    },
  },
  {
    check: 'log.closed',
    of: 'sign',
    does: 'closes its logs over nothing',
    edit: (draft) => {
      for (const sites of [draft.logs, draft.ledgers])
        for (const [site, events] of sites)
          sites.set(
            site,
            events.filter(({ what }) => what !== 'result'),
          )
      draft.outputs.clear()
    },
  },
  {
    check: 'log.cosigned',
    does: 'bears a cosignature by another key',
    edit: (draft) => {
      const name = witnessName(home(draft, us).identity)
      draft.cosigners.get(eu)?.delete(us)
      draft.extraLines.set(eu, (note) => cosignLine(parseNote(note).text, name, stranger, 1_800_000_000))
    },
  },
  {
    check: 'ledger.included',
    does: 'alters what a ledger says',
    edit: (draft) => {
      draft.afterwards.set(eu, (part) => {
        const value = ledgerExcerptCodec.decode(part.ledger)
        const [first, ...rest] = value.events
        if (first === undefined) throw new Error('an empty ledger')
        const events = [{ ...first, event: { ...first.event, at: 1 } }, ...rest]
        return { ...part, ledger: ledgerExcerptCodec.encode({ ...value, events }) }
      })
    },
  },
  {
    check: 'ledger.signed',
    does: 'shows a ledger head that another key signed',
    edit: (draft) => {
      draft.afterwards.set(eu, (part) => {
        const value = ledgerExcerptCodec.decode(part.ledger)
        const [origin = '', size, root = ''] = parseNote(value.head).text.split('\n')
        const head = signCheckpoint({ origin, size: Number(size), root: fromBase64(root) }, stranger)
        return { ...part, ledger: ledgerExcerptCodec.encode({ ...value, head }) }
      })
    },
  },
  {
    check: 'ledger.agrees',
    does: 'says another ending of the log in the ledger',
    edit: (draft) => {
      draft.keepEndings = true
      const roots = new Map([...draft.logs.keys()].map((site) => [site, other]))
      for (const [site, events] of draft.ledgers)
        for (const [at, event] of events.entries())
          if (event.what === 'log-closed') events[at] = { ...event, object: roots.get(site) ?? null }
    },
  },
  {
    check: 'ledger.opened',
    does: 'hangs a log from another ledger',
    edit: (draft) => {
      const head = { origin: ledgerOrigin(home(draft, eu).identity), size: 1, root: sha256() }
      const events = draft.logs.get(eu) ?? []
      events[0] = { ...(events[0] ?? expect.fail()), object: draft.put(utf8(signCheckpoint(head, stranger))) }
    },
  },
  {
    check: 'ledger.remembered',
    does: 'shows at the end an older ledger than it began an attempt with',
    edit: (draft) => {
      const { head, object } = largerHead(draft, eu)
      draft.add(us, { what: 'peer-ledger', site: eu, object })
      const ledger = { size: head.size, root: toHex(head.root) as Hash, checkpoint: object }
      return addAttempt(draft, { hello: (hello) => ({ ...hello, ledger }) })
    },
  },
  {
    check: 'ledger.remembered',
    does: 'shows at the end another ledger of one size than a peer saw',
    edit: (draft) => {
      // The size of this ledger is known once its part is made, which is before the part of us.
      draft.afterwards.set(ap, (part) => {
        const { size } = parseCheckpoint(ledgerExcerptCodec.decode(part.ledger).head)
        const head = { origin: ledgerOrigin(home(draft, ap).identity), size, root: sha256() }
        const object = draft.put(utf8(signCheckpoint(head, home(draft, ap).keys.log)))
        draft.add(us, { what: 'peer-ledger', site: ap, object })
        return part
      })
    },
  },
  {
    check: 'ledger.remembered',
    does: 'shows two peers two ledgers of one size',
    edit: (draft) => {
      for (const [log, root] of [
        [us, sha256()],
        [ap, sha256(utf8('another'))],
      ] as const)
        draft.add(log, { what: 'peer-ledger', site: eu, object: largerHead(draft, eu, root).object })
    },
  },
  {
    check: 'ledger.records',
    does: 'carries a ledger part that does not decode',
    edit: (draft) => {
      draft.afterwards.set(eu, (part) => ({ ...part, ledger: utf8('{}') }))
    },
  },
  {
    check: 'attempts.started',
    does: 'begins an attempt that nobody signed',
    edit: (draft) => draft.add(eu, { what: 'started', object: other }, 'ready'),
  },
  {
    check: 'attempts.started',
    does: 'fails an attempt that nobody signed',
    edit: (draft) => draft.add(eu, { what: 'failed', object: other }, 'ready'),
  },
  {
    check: 'attempts.chained',
    does: 'leaves an attempt of one site out of the chain',
    edit: (draft) => addAttempt(draft, { hello: (hello) => ({ ...hello, lastAttempt: null }) }),
  },
  {
    check: 'attempts.greeted',
    does: 'counts an attempt twice',
    edit: (draft) => addAttempt(draft, { attempt: (attempt) => ({ ...attempt, number: 1 }) }),
  },
  {
    check: 'attempts.fresh',
    does: 'uses a nonce twice',
    edit: (draft) => {
      const nonces = draft.named('hello').map((object) => opened(draft, helloCodec, object))
      const nonce = nonces.find(({ site }) => site === eu)?.nonce ?? expect.fail()
      return addAttempt(draft, { hello: (hello) => ({ ...hello, nonce }) })
    },
  },
  {
    check: 'attempts.seated',
    does: 'changes the deadlines',
    edit: (draft) => addAttempt(draft, { attempt: (attempt) => ({ ...attempt, round: attempt.round + 1 }) }),
  },
  {
    check: 'attempts.limited',
    does: 'signs more attempts than the definition allows',
    edit: async (draft) => {
      for (let n = 0; n < draft.definition.attempts; n++) await addAttempt(draft)
    },
  },
  {
    check: 'attempts.certified',
    does: 'seats a key that had expired',
    edit: (draft) => addAttempt(draft, { key: { site: eu, raw: stranger, expires: 1 } }),
  },
  {
    check: 'attempts.in-window',
    does: 'begins before the window opened',
    edit: (draft) =>
      addAttempt(draft, { attempt: (attempt) => ({ ...attempt, at: Date.parse(draft.definition.window.opens) - 1 }) }),
  },
  {
    check: 'transcript.hash',
    of: 'sign',
    does: 'states another transcript',
    edit: async (draft) => {
      for (const site of draft.logs.keys())
        await change(draft, site, 'result', resultCodec, (value) => ({ ...value, transcript: other }))
    },
  },
  {
    check: 'transcript.hash',
    does: 'makes a key from another transcript',
    edit: (draft) => remake(draft, (outcome) => ({ ...outcome, transcript: other })),
    with: { evidence: blind() },
  },
  {
    check: 'transcript.derived',
    does: 'makes another key than the messages give',
    edit: async (draft) => {
      await remake(draft, (outcome) => ({ ...outcome, publicKey: outcome.verifyingShares[0] ?? '' }))
      const [outcome] = draft.named('outcome')
      const { publicKey } = outcomeCodec.decode(draft.bytes(outcome ?? expect.fail()))
      draft.outputs.set('public-key.hex', utf8(`${publicKey}\n`))
    },
    with: { evidence: blind() },
  },
  {
    check: 'transcript.outcome',
    does: 'makes a key of another threshold',
    edit: (draft) => remake(draft, (outcome) => ({ ...outcome, threshold: 3 })),
    with: { evidence: blind() },
  },
  {
    check: 'transcript.complete',
    does: 'leaves a private message out of the transcript',
    edit: async (draft) => {
      const evidence = await protocolEvidence(draft.definition)
      const posts = await ownMessages(draft)
      // The headers of what two sites sent each other stand in the confirmations of these two alone.
      const left = posts.filter(({ post }) => post.round === 'confirm' && Number(post.from) <= 2)
      for (const events of draft.logs.values())
        for (let at = events.length - 1; at >= 0; at--)
          if (left.some(({ object }) => object === events[at]?.object)) events.splice(at, 1)
      const kept = posts
        .filter((one) => !left.includes(one))
        .flatMap(({ post }) => [post, ...evidence.confirmedBy(post)])
        .filter(({ round }) => round !== 'confirm')
      const headers = new Map(kept.map((post) => [toHex(post.headerBytes), post.headerBytes]))
      const transcript = transcriptOf([...headers.values()])
      await remake(draft, (outcome) => ({ ...outcome, transcript }))
    },
    with: { evidence: blind() },
  },
  {
    check: 'transcript.same',
    does: 'takes a broadcast out of one log',
    edit: async (draft) => {
      const evidence = await protocolEvidence(draft.definition)
      const events = draft.logs.get(eu) ?? []
      const place = events.findIndex(
        ({ what, object }) =>
          what === 'message' && object !== null && evidence.readSignedMessage(draft.bytes(object)).to === 0,
      )
      events.splice(place, 1)
    },
  },
  {
    check: 'transcript.signed',
    does: 'logs a message that its sender did not sign',
    edit: (draft) => {
      const [first] = draft.named('message')
      const [header, signature, ...rest] = messageCodec.decode(draft.bytes(first ?? expect.fail()))
      const forged = messageCodec.encode([header, signature.map((b, i) => (i === 0 ? b ^ 1 : b)), ...rest])
      draft.add(eu, { what: 'message', site: us, object: draft.put(forged) }, 'ready')
    },
  },
  { check: 'transcript.messages', does: 'logs garbage as a message', edit: garbage('message') },
  {
    check: 'possession.proven',
    does: 'proves a share with another proof',
    edit: (draft) =>
      change(draft, eu, 'possession', possessionCodec, (value) => ({
        ...value,
        proof: '11'.repeat(value.proof.length / 2),
      })),
  },
  {
    check: 'possession.tested',
    does: 'states a test signature that does not verify',
    edit: (draft) =>
      change(draft, eu, 'test-signature', testSignatureCodec, (value) => ({ ...value, signature: '11'.repeat(64) })),
  },
  {
    check: 'votes.single',
    does: 'votes for two records',
    edit: async (draft) => {
      const vote = { ceremony: ceremonyId(draft.definition), site: eu, record: other, base: null }
      const object = await draft.sign(eu, readyCodec, vote)
      for (const log of [eu, us]) draft.add(log, { what: 'ready', site: eu, object })
    },
  },
  {
    check: 'votes.single',
    does: 'counts the votes for another record',
    edit: (draft) => {
      const events = draft.logs.get(eu) ?? []
      const place = events.findIndex(({ what }) => what === 'ready-set')
      events[place] = { ...(events[place] ?? expect.fail()), object: other }
    },
  },
  {
    check: 'votes.based',
    does: 'votes for another base',
    edit: (draft) => change(draft, eu, 'ready', readyCodec, (value) => ({ ...value, base: other })),
  },
  {
    check: 'votes.recorded',
    does: 'stages another shard than the record names',
    edit: (draft) => change(draft, eu, 'staged', stagedCodec, (value) => ({ ...value, envelope: other })),
  },
  {
    check: 'votes.records',
    does: 'gives a receipt for another record',
    edit: (draft) => change(draft, eu, 'installed', installedCodec, (value) => ({ ...value, record: other })),
  },
  {
    check: 'votes.kept',
    does: 'leaves after it voted',
    edit: async (draft) => {
      const { identity, keys } = home(draft, eu)
      const note = {
        ceremony: ceremonyId(draft.definition),
        identity,
        counter: 9,
        at: 1,
        phase: 'aborted',
        approvals: [],
        votes: [],
        certificates: [],
        evidence: [],
        abort: 'changed my mind',
      }
      const signed = await recordSigner(eu, keys.note).sign(noteCodec, note)
      draft.add(us, { what: 'abort', site: eu, object: draft.put(toEnvelope(signed)) })
    },
  },
  {
    check: 'votes.output',
    does: 'shows another public key',
    edit: (draft) => void draft.outputs.set('public-key.hex', utf8(`${'ab'.repeat(32)}\n`)),
  },
  {
    check: 'signature.valid',
    of: 'sign',
    does: 'states a signature that does not verify',
    edit: async (draft) => {
      const signature = '11'.repeat(64)
      for (const site of draft.logs.keys())
        await change(draft, site, 'result', resultCodec, (value) => ({ ...value, signature }))
      draft.outputs.set('signature', fromHex(signature))
    },
  },
  {
    check: 'signature.stated',
    of: 'sign',
    does: 'states two signatures',
    edit: (draft) => {
      if (draft.named('result').length !== 2) throw new Error('not two results')
      return change(draft, eu, 'result', resultCodec, (value) => ({ ...value, message: other }))
    },
  },
  {
    check: 'signature.message',
    of: 'sign',
    does: 'signs another message than the definition names',
    edit: async (draft) => {
      for (const site of draft.logs.keys())
        await change(draft, site, 'result', resultCodec, (value) => ({ ...value, message: other }))
    },
  },
  {
    check: 'signature.key',
    of: 'sign',
    does: 'signs with another epoch',
    edit: async (draft) => {
      for (const site of draft.logs.keys())
        await change(draft, site, 'result', resultCodec, (value) => ({ ...value, base: other }))
    },
  },
  {
    check: 'signature.output',
    of: 'sign',
    does: 'shows another signature',
    edit: (draft) => void draft.outputs.set('signature', new Uint8Array(64)),
  },
  {
    check: 'signature.output',
    of: 'sign',
    does: 'shows another message',
    edit: (draft) => void draft.outputs.set('message', utf8('pay somebody')),
    with: { message: utf8('pay nobody') },
  },
  {
    check: 'blame.proven',
    does: 'accuses without proof',
    edit: (draft) => {
      const [attempt = expect.fail()] = draft.named('attempt')
      const blame = {
        ceremony: ceremonyId(draft.definition),
        attempt,
        session: attempt,
        protocol: 'frost-ed25519/keygen',
        within: null,
        accused: us,
        party: 2 as never,
        accuser: eu,
        check: 'equivocation',
        messages: [],
      }
      draft.add(eu, { what: 'evidence', site: us, object: draft.put(blameCodec.encode(blame)) })
    },
  },
  {
    check: 'manifest.signed',
    does: 'bears a manifest signature by another key',
    edit: (draft) =>
      void draft.forgedSignatures.set(eu, (statement) =>
        encodeSigstore(statement, stranger.key, stranger.sign(pae(IN_TOTO, statement))),
      ),
  },
  {
    check: 'time.stamped',
    does: 'ends after the time that was given',
    edit: () => undefined,
    with: { at: 1 },
  },
  ...(['keygen', 'sign'] as const).map(
    (of): Forgery => ({
      check: 'log.named',
      of,
      does: `shows an output that no ${of} has`,
      edit: (draft) => void draft.outputs.set('receipt', utf8('paid')),
    }),
  ),
  // Whatever a kind makes: a record that no ceremony of it has is looked at where a log names it all the same.
  ...(['keygen', 'sign'] as const).flatMap((of) => [
    ...recordNames.map((name): Forgery => {
      const { event, reported } = recordTable[name]
      return { check: reported as CheckId, of, does: `logs garbage as ${event}`, edit: garbage(event) }
    }),
    ...(['outcome', 'record'] as const).map((what): Forgery => {
      const check = of === 'sign' ? 'signature.records' : 'votes.records'
      return { check, of, does: `logs garbage as ${what}`, edit: garbage(what) }
    }),
  ]),
]

describe('forged by the owner of all keys', () => {
  it('is valid where nothing was changed', async () => {
    for (const bundle of [chain.keygenBundle, chain.signBundle]) {
      const again = await forge(chain, bundle, () => undefined)
      expect(failing(await verify(again))).toEqual([])
      expect((await verify(again)).open).toBe(1)
    }
  })

  it.each(inTurn(forgeries, 20))('$check refuses a bundle that $does', async ({ check, of, edit, with: changes }) => {
    const bytes = await forge(chain, of === 'sign' ? chain.signBundle : chain.keygenBundle, edit)
    expect(failing(await verify(bytes, changes))).toEqual([check])
    // Nothing else refuses it, but that the check that should have is silent.
    const without = allChecks.filter(({ id }) => id !== check)
    const { checks } = await verify(bytes, { ...changes, checks: without })
    expect(checks.flatMap(({ id, verdict, reason }) => (verdict === 'fails' ? [[id, reason]] : []))).toEqual([
      [check, expect.stringContaining('said nothing')],
    ])
  })
})

/** Checks that never refuse: what they find missing may be nobody's fault. */
const openOnly = [
  'attempts.ended',
  'attestation.measured',
  'blame.left',
  'definition.approved-in-time',
  'log.bodies',
  'log.present',
  'time.clocks',
  'votes.fenced',
  'votes.installed',
  'votes.ready',
  'votes.retired',
]

describe('the list of checks', () => {
  it('has a forgery for every check that refuses', () => {
    const forged = new Set([
      ...forgeries.map(({ check }) => check),
      'identities.trusted',
      'identities.unrevoked',
      'transcript.base',
      // test/audit/reconstructed.test.ts
      'release.shares',
      'release.key',
      'release.known',
      // test/audit/readmitted.test.ts
      'readmit.taken',
      'readmit.bound',
      'readmit.promises',
      'readmit.key',
      'readmit.known',
      // test/audit/rewrapped.test.ts
      'rewrap.proven',
      'rewrap.witnessed',
      'rewrap.key',
      'rewrap.replaced',
    ])
    const ids = allChecks.map(({ id }) => id as string)
    expect(ids.filter((id) => !forged.has(id)).sort()).toEqual(openOnly)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('leaves an open point where a record, a log or a cosignature is missing', async () => {
    const cases: readonly (readonly [string, (draft: Draft) => unknown])[] = [
      [
        'ledger.remembered',
        (draft) => draft.add(us, { what: 'peer-ledger', site: eu, object: largerHead(draft, eu).object }),
      ],
      ['log.bodies', (draft) => draft.objects.delete(draft.named('opened')[0] ?? other)],
      ['log.present', (draft) => draft.logs.delete(ap)],
      ['log.cosigned', (draft) => draft.cosigners.get(eu)?.delete(us)],
      ['manifest.signed', (draft) => draft.signers.delete(us)],
      ['log.closed', (draft) => [draft.logs.get(eu)?.pop(), draft.ledgers.get(eu)?.pop()]],
    ]
    for (const [id, edit] of cases) {
      const bytes = await forge(chain, chain.keygenBundle, (draft) => void edit(draft))
      const report = await verify(bytes)
      const completes = allChecks.some((check) => check.id === id && 'completes' in check)
      if (id !== 'log.bodies')
        expect([report.verdict, report.missing]).toEqual(completes ? ['incomplete', [id]] : ['valid', []])
      expect(report.checks.find((one) => one.id === id)?.verdict).toBe('open')
      expect((await verify(bytes, { require: [id] })).verdict).not.toBe('valid')
    }
  })
})

const heads = (what: LogEvent['what'], others: readonly LogEvent['what'][]): boolean => {
  const same: readonly (readonly LogEvent['what'][])[] = [
    ['opened', 'peer-ledger', 'first-contact'],
    ['joined', 'certificate'],
  ]
  return same.some((kind) => kind.includes(what) && others.some((one) => kind.includes(one)))
}

describe('forged at random', () => {
  it('never crashes, and takes no record for one of another kind', async () => {
    const pick = fc.nat({ max: 10_000 })
    await fc.assert(
      fc.asyncProperty(pick, pick, fc.boolean(), fc.constantFrom(eu, us, ap), async (a, b, ofSign, site) => {
        let changed = false
        const bytes = await forge(chain, ofSign ? chain.signBundle : chain.keygenBundle, (draft) => {
          const events = draft.logs.get(site) ?? draft.logs.get(eu) ?? []
          const other = [...draft.objects.keys()]
          const event = events[a % events.length] ?? expect.fail()
          const object = other[b % other.length] ?? null
          const kinds = (of: Hash | null) =>
            [...draft.logs.values()].flatMap((log) => log.flatMap((one) => (one.object === of ? one.what : [])))
          // Two heads of one ledger, two certificates: another of its kind may do as well.
          changed =
            !kinds(event.object).some((what) => kinds(object).includes(what)) && !heads(event.what, kinds(object))
          events[a % events.length] = { ...event, object }
        })
        const { verdict, open: points } = await verify(bytes)
        expect(changed && verdict === 'valid' && points === 1).toBe(false)
      }),
      { numRuns: many(8, 200, 2000) },
    )
  })
})

describe('forged by the owner of one site', () => {
  const attacks: readonly (readonly [string, string, (draft: Draft) => void | Promise<void>])[] = [
    [
      'cuts its log before its vote',
      'log.kept',
      (draft) => {
        const events = draft.logs.get(eu) ?? []
        events.splice(events.findIndex(({ what, site }) => what === 'ready' && site === eu))
        const ledger = draft.ledgers.get(eu) ?? []
        ledger.splice(ledger.findIndex(({ what }) => what === 'ready'))
      },
    ],
    [
      'drops its attempt',
      'log.kept',
      (draft) => {
        const events = draft.logs.get(eu) ?? []
        draft.logs.set(
          eu,
          events.filter(({ what }) => !['attempt', 'attempt-signature', 'started', 'message'].includes(what)),
        )
      },
    ],
    [
      'swaps the envelope of its shard',
      'votes.recorded',
      async (draft) => {
        const events = draft.logs.get(eu) ?? []
        const place = events.findIndex(({ what, site }) => what === 'staged' && site === eu)
        const old = opened(draft, stagedCodec, events[place]?.object ?? other)
        const object = await draft.sign(eu, stagedCodec, { ...old, envelope: other })
        events[place] = { ...(events[place] ?? expect.fail()), object }
      },
    ],
    [
      'votes for something else in its own log',
      'votes.single',
      async (draft) => {
        const events = draft.logs.get(eu) ?? []
        const place = events.findIndex(({ what, site }) => what === 'ready' && site === eu)
        const old = opened(draft, readyCodec, events[place]?.object ?? other)
        const object = await draft.sign(eu, readyCodec, { ...old, record: other })
        events[place] = { ...(events[place] ?? expect.fail()), object }
      },
    ],
    [
      'writes its own times anew',
      'log.cosigned',
      (draft) => {
        const events = draft.logs.get(eu) ?? []
        draft.logs.set(
          eu,
          events.map((event) => ({ ...event, at: event.at - 86_400_000 })),
        )
      },
    ],
    ['shows another public key', 'votes.output', (draft) => void draft.outputs.set('public-key.hex', utf8('00\n'))],
  ]
  it.each(attacks)('%s: %s does not hold', async (_, check, edit) => {
    const report = await verify(await forge(chain, chain.keygenBundle, edit, ['eu']))
    expect(report.checks.find(({ id }) => id === check)?.verdict).not.toBe('holds')
    expect(report.checks.find(({ id }) => id === 'manifest.signed')).toMatchObject({ verdict: 'open' })
    if (check !== 'log.cosigned')
      expect([report.verdict === 'invalid', report.contradictions.map(({ by }) => by)]).toEqual(
        check === 'votes.output' ? [true, []] : [false, ['eu']],
      )
  })
})
