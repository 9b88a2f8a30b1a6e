import { judgeBlame } from '../../src/ceremony/blame/judge.ts'
import { judgeContext, type PublicFacts } from '../../src/ceremony/blame/judge-context.ts'
import { testContext, testLabel } from '../../src/ceremony/blame/test-session.ts'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { epochOutcome } from '../../src/ceremony/epoch/epoch-outcome.ts'
import { ceremonyKind } from '../../src/ceremony/kinds/index.ts'
import { repairContext } from '../../src/ceremony/kinds/repair-context.ts'
import { reshareContext } from '../../src/ceremony/kinds/reshare-context.ts'
import { Session } from '../../src/ceremony/session/session.ts'
import { subSession } from '../../src/ceremony/session/sub-session.ts'
import { type RawSigner, rawSigner } from '../../src/identity/ed25519.ts'
import type { Hash, Index, Party, SiteId } from '../../src/lib/brand.ts'
import { fromHex, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Clock, Random } from '../../src/lib/ports.ts'
import { Secret } from '../../src/lib/secret.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import type { KeygenOutput, ReshareInput, Scheme } from '../../src/mpc/scheme.ts'
import { testSignerSets } from '../../src/mpc/test-signature.ts'
import { type Attempt, attemptCodec } from '../../src/records/attempt.ts'
import { receiversIn } from '../../src/records/definition.ts'
import type { ProtocolId, SiteEntry } from '../../src/records/definition-fields.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import type { RefreshDefinition } from '../../src/records/kinds/refresh.ts'
import type { RepairDefinition } from '../../src/records/kinds/repair.ts'
import type { ReshareDefinition } from '../../src/records/kinds/reshare.ts'
import type { SignDefinition } from '../../src/records/kinds/sign.ts'
import { type EpochRecord, type Outcome, outcomeCodec, recordCodec } from '../../src/records/outcome.ts'
import type { Blame } from '../../src/records/round.ts'
import { keygenDefinition, refreshDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { seededRandom } from '../support/random.ts'

/** What one site's messages become on their way to another: none, one or several. */
export type Tamper = (to: SiteId, bytes: Uint8Array) => readonly Uint8Array[]

/**
 * Kinds of session: a key generation, one followed by its test signatures, a refresh with those, a reshare with those (a new
 * site takes the place of the last one, which deals too), a repair with those (a new site in the place of the last one, by
 * the first), a signature.
 */
export type Kind = 'keygen' | 'tested' | 'refresh' | 'reshare' | 'repair' | 'sign'

export interface Terms {
  readonly kind: Kind
  readonly protocol: ProtocolId
  readonly n: number
  readonly t: number
}

/** Everything about a session that is the same whatever is drawn in it. */
export interface Table {
  readonly terms: Terms
  readonly protocols: Scheme
  readonly sites: readonly SiteId[]
  readonly definition: KeygenDefinition | RefreshDefinition | ReshareDefinition | RepairDefinition | SignDefinition
  readonly message: Uint8Array
  /** Of the key that a session signs by, or replaces. */
  readonly epoch:
    | { readonly outcome: Outcome; readonly record: EpochRecord; readonly shares: readonly Uint8Array[] }
    | undefined
}

const entries: Promise<SiteEntry>[] = []
const entriesOf = (n: number): Promise<SiteEntry[]> => {
  for (let at = entries.length + 1; at <= n; at++)
    entries.push(siteEntries([`s${at}`]).then(([entry]) => entry as SiteEntry))
  return Promise.all(entries.slice(0, n))
}

const message = utf8('pay nobody')
const epochs = new Map<string, Table['epoch']>()

const epochOf = async (terms: Terms): Promise<Table['epoch']> => {
  const key = `${terms.protocol} ${terms.n} ${terms.t}`
  const known = epochs.get(key)
  if (known !== undefined) return known
  const table = await tableOf({ ...terms, kind: 'keygen' })
  const run = await play(table, table.sites, seededRandom(`epoch ${key}`), new Map())
  const made = run.endings.map((one) => (one.is === 'made' && 'outcome' in one ? one : undefined))
  const [first] = made
  if (first === undefined) throw new Error('honest parties made no key')
  const record = {
    outcome: hashOf(outcomeCodec.encode(first.outcome)),
    envelopes: table.sites.map((site) => hashOf(utf8(site))),
  }
  const epoch = { outcome: first.outcome, record, shares: made.map((one) => one?.share ?? new Uint8Array()) }
  epochs.set(key, epoch)
  return epoch
}

/** A new site is the first, and the last one of the old receives nothing. */
const handedOn = async (
  sites: readonly SiteEntry[],
  { threshold, publicKey, verifyingShares }: Outcome,
  ofKey: Parameters<typeof refreshDefinition>[0] & { readonly sites: readonly SiteEntry[] },
): Promise<ReshareDefinition> => {
  const old = ofKey.sites.map(({ name }) => name)
  return {
    ...(await refreshDefinition(ofKey)),
    kind: 'reshare',
    sites: [...sites.slice(old.length), ...ofKey.sites],
    receivers: old.length,
    from: { threshold, sites: old, publicKey, verifyingShares: [...verifyingShares], dealers: old },
  }
}

/** A new site in the place of the last one, whose share is lost. */
const mended = async (
  sites: readonly SiteEntry[],
  { threshold, publicKey, verifyingShares }: Outcome,
  ofKey: Parameters<typeof refreshDefinition>[0] & { readonly sites: readonly SiteEntry[] },
): Promise<RepairDefinition> => {
  const old = ofKey.sites.map(({ name }) => name)
  return {
    ...(await refreshDefinition(ofKey)),
    kind: 'repair',
    sites: [...ofKey.sites.slice(0, -1), ...sites.slice(old.length)],
    from: { sites: old, publicKey, verifyingShares: [...verifyingShares], helpers: old.slice(0, threshold) },
  }
}

export const tableOf = async (terms: Terms): Promise<Table> => {
  const { kind, protocol, n, t } = terms
  const sites = await entriesOf(n)
  const protocols = await loadScheme(protocol)
  const common = { protocol, threshold: t, sites }
  const names = sites.map((site) => site.name)
  if (kind === 'keygen' || kind === 'tested')
    return { terms, protocols, sites: names, definition: await keygenDefinition(common), message, epoch: undefined }
  const epoch = await epochOf(terms)
  const ofKey = {
    ...common,
    key: epoch?.record.outcome ?? hashOf(message),
    base: epoch === undefined ? hashOf(message) : hashOf(recordCodec.encode(epoch.record)),
  }
  if (kind === 'reshare' && epoch !== undefined) {
    const definition = await handedOn(await entriesOf(n + 1), epoch.outcome, ofKey)
    return { terms, protocols, sites: definition.sites.map(({ name }) => name), definition, message, epoch }
  }
  if (kind === 'repair' && epoch !== undefined) {
    const definition = await mended(await entriesOf(n + 1), epoch.outcome, ofKey)
    return { terms, protocols, sites: definition.sites.map(({ name }) => name), definition, message, epoch }
  }
  if (kind === 'refresh')
    return { terms, protocols, sites: names, definition: await refreshDefinition(ofKey), message, epoch }
  const definition = await signDefinition({
    ...ofKey,
    message: { form: 'file', name: 'payment.txt', size: message.length, sha256: hashOf(message) },
  })
  return { terms, protocols, sites: names, definition, message, epoch }
}

export type Ending =
  | { readonly is: 'made'; readonly outcome: Outcome; readonly share: Uint8Array }
  | { readonly is: 'made'; readonly signature: Uint8Array }
  | { readonly is: 'failed'; readonly error: unknown }

export interface Seat {
  readonly site: SiteId
  readonly party: Party
  readonly session: Session
  readonly signer: RawSigner
  /** SHA-256 of each message that it took in before anything ended its session. */
  readonly took: Set<Hash>
  /** Ids of the sessions whose messages it looked at: its own and those of test signatures. */
  readonly opened: Set<Hash>
}

export interface Play {
  readonly attempt: Hash
  readonly endings: readonly Ending[]
  readonly seats: readonly Seat[]
  /** Everything that left a site, as it left it. */
  readonly sent: readonly { readonly from: SiteId; readonly to: SiteId; readonly bytes: Uint8Array }[]
  readonly facts: PublicFacts
  /** The facts that one seat knows by itself. */
  factsAt(site: SiteId): PublicFacts
  /** Whether a claim is proven by all that is known. Fails where the verdict by less is neither this one nor undecidable. */
  judge(blame: Blame): boolean
}

/** A clock whose sleepers wake when nothing else can happen any more. */
const patientClock = (): { clock: Clock; wake(): void } => {
  const sleepers = new Set<() => void>()
  const clock: Clock = {
    now: () => 1_790_000_000_000,
    monotonic: () => 0,
    sleep: (_ms, signal) =>
      new Promise((resolve, reject) => {
        sleepers.add(resolve)
        signal?.addEventListener('abort', () => {
          sleepers.delete(resolve)
          reject(signal.reason)
        })
      }),
  }
  return {
    clock,
    wake() {
      for (const resolve of [...sleepers]) resolve()
      sleepers.clear()
    },
  }
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

/** What the sites of a new epoch do after the protocol, as far as it is signed in a session: compare transcripts, sign with each set. */
const afterDealing = async (
  table: Table,
  { session, opened }: Seat,
  box: ReturnType<Session['mailbox']>,
  outcome: Outcome,
  share: Secret | undefined,
  random: Random,
) => {
  const { protocols, terms } = table
  await session.agree()
  if (terms.kind === 'keygen') return
  const record = recordHashOf(table, outcome)
  await Promise.all(
    testSignerSets(terms.n, terms.t).map(async (members, set) => {
      if (share === undefined || !members.includes(Number(box.self) as Index)) return
      const label = testLabel(set, record)
      const parties = members.map((one) => Number(one) as Party)
      if (!session.signal.aborted)
        opened.add(subSession(box.session, { protocol: protocols.sign.id, label, members: parties }))
      const inner = box.within(protocols.sign, label, parties)
      await protocols.sign.run(inner, { ...testContext(outcome, record, members), share }, { random })
    }),
  )
}

/** One site's part of an epoch, and what all know of it. */
const baseOf = (table: Table, { outcome, shares }: NonNullable<Table['epoch']>, site: SiteId) => ({
  publicKey: fromHex(outcome.publicKey),
  verifyingShares: outcome.verifyingShares.map(fromHex),
  share: new Secret((shares[holdersOf(table).indexOf(site)] as Uint8Array).slice()),
})

/** Sites that hold a share of the key that a session uses, in the order of their indices. */
const holdersOf = ({ definition, sites }: Table): readonly SiteId[] =>
  'from' in definition ? definition.from.sites : sites

/** A helper opens its share; the others keep the one that they have, and the mended site has none before. */
const repairAt = async (
  table: Table,
  site: SiteId,
  box: ReturnType<Session['mailbox']>,
  random: Random,
): Promise<KeygenOutput> => {
  const { definition, epoch, protocols } = table
  if (definition.kind !== 'repair' || epoch === undefined) throw new Error('no repair')
  const held = definition.from.sites.includes(site) ? baseOf(table, epoch, site).share : undefined
  const helps = definition.from.helpers.includes(site)
  const { publicKey, verifyingShares, ...rest } = repairContext(definition)
  const context = { publicKey, verifyingShares, ...rest, share: helps ? held : undefined }
  const { share } = await protocols.repair.run(box as never, context, { random })
  return { publicKey, verifyingShares, share: (share ?? held) as Secret }
}

const reshareOf = (table: Table, attempt: Attempt, site: SiteId): ReshareInput => {
  const { definition, epoch } = table
  if (definition.kind !== 'reshare' || epoch === undefined) throw new Error('no reshare')
  const context = reshareContext(definition, attempt)
  return definition.from.dealers.includes(site)
    ? { ...context, share: baseOf(table, epoch, site).share }
    : { ...context, share: undefined }
}

const recordOf = (table: Table, outcome: Outcome): EpochRecord => ({
  outcome: hashOf(outcomeCodec.encode(outcome)),
  envelopes: receiversIn(table.definition).map(({ name }) => hashOf(utf8(name))),
})
const recordHashOf = (table: Table, outcome: Outcome): Hash => hashOf(recordCodec.encode(recordOf(table, outcome)))

/**
 * One session of these sites over a medium that keeps each pair's order and mixes everything else. `liars` maps a site to
 * what becomes of its messages; it is told of its seat first.
 */
export const play = async (
  table: Table,
  participants: readonly SiteId[],
  random: Random,
  liars: ReadonlyMap<SiteId, (seat: Seat) => Tamper>,
): Promise<Play> => {
  const { definition, protocols, epoch } = table
  const authority = definitionAuthority(definition)
  const signers = participants.map(() => rawSigner(new Secret(random(32))))
  const attempt: Attempt = {
    ceremony: authority.hash,
    number: 1,
    participants: participants.map((site, at) => ({
      site,
      key: signers[at]?.key as Attempt['participants'][number]['key'],
      hello: hashOf(utf8(`hello of ${site}`)),
      last: null,
    })),
    base: epoch === undefined ? null : hashOf(recordCodec.encode(epoch.record)),
    round: definition.deadlines.round,
    at: 1_790_000_000_000,
    coordinator: participants[0] as SiteId,
  }
  const id = hashOf(attemptCodec.encode(attempt))
  const { clock, wake } = patientClock()
  const sent: { from: SiteId; to: SiteId; bytes: Uint8Array }[] = []
  const lines = new Map<string, { from: SiteId; to: SiteId; bytes: Uint8Array }[]>()
  const ways = new Map<SiteId, Tamper>()
  const seats = participants.map((site, at): Seat => {
    const signer = signers[at] as RawSigner
    const session = new Session({
      ceremony: authority.hash,
      attempt: id,
      parties: attempt.participants.map(({ site: name, key }) => ({ site: name, key })),
      self: site,
      signer,
      clock,
      random,
      roundMs: 20_000,
      send: (to, bytes) => {
        for (const one of ways.get(site)?.(to, bytes) ?? [bytes]) {
          sent.push({ from: site, to, bytes: one })
          const key = `${site} ${to}`
          lines.set(key, [...(lines.get(key) ?? []), { from: site, to, bytes: one }])
        }
      },
      record: () => undefined,
      progress: () => undefined,
    })
    return { site, party: (at + 1) as Party, session, signer, took: new Set(), opened: new Set() }
  })
  for (const seat of seats) {
    const way = liars.get(seat.site)?.(seat)
    if (way !== undefined) ways.set(seat.site, way)
  }
  const made = new Map<SiteId, { readonly outcome: Outcome; readonly record: EpochRecord }>()

  const runOne = async (seat: Seat): Promise<Ending> => {
    const { session, site } = seat
    seat.opened.add(id)
    try {
      if (table.terms.kind === 'sign') {
        if (epoch === undefined) throw new Error('no epoch')
        const { signature } = await protocols.sign.run(
          session.mailbox(protocols.sign),
          {
            threshold: epoch.outcome.threshold,
            indices: participants.map((one) => (table.sites.indexOf(one) + 1) as Index),
            message: table.message,
            ...baseOf(table, epoch, site),
          },
          { random },
        )
        return { is: 'made', signature }
      }
      const terms = { threshold: table.terms.t, parties: table.terms.n }
      const { kind } = table.terms
      const rules = kind === 'refresh' || kind === 'reshare' || kind === 'repair' ? protocols[kind] : protocols.keygen
      const box = session.mailbox(rules as typeof protocols.keygen)
      const key =
        kind === 'repair'
          ? await repairAt(table, site, box as never, random)
          : kind === 'reshare'
            ? await protocols.reshare.run(box as never, reshareOf(table, attempt, site), { random })
            : epoch === undefined
              ? await protocols.keygen.run(box, terms, { random })
              : await protocols.refresh.run(box as never, { ...terms, ...baseOf(table, epoch, site) }, { random })
      const outcome = epochOutcome(definition, authority.hash, id, session.transcript(), key)
      made.set(site, { outcome, record: recordOf(table, outcome) })
      await afterDealing(table, seat, box as never, outcome, key.share, random)
      return { is: 'made', outcome, share: key.share?.reveal().slice() ?? new Uint8Array() }
    } catch (error) {
      return { is: 'failed', error }
    }
  }

  let left = participants.length
  const running = seats.map((seat) =>
    runOne(seat).then((ending) => {
      left -= 1
      return ending
    }),
  )
  const byName = new Map(seats.map((seat) => [seat.site, seat]))
  for (let idle = 0; left > 0 || [...lines.values()].some((line) => line.length > 0); ) {
    await turn()
    const waiting = [...lines.values()].filter((line) => line.length > 0)
    // Several messages a turn, of any pairs: what is together on the wire may come in any order.
    for (let n = random(1)[0] ?? 0; n >= 0 && waiting.length > 0; n -= 40) {
      const line = waiting[((random(1)[0] ?? 0) * 7 + n) % waiting.length]
      const next = line?.shift()
      const seat = next === undefined ? undefined : byName.get(next.to)
      if (next === undefined || seat === undefined) continue
      if (!seat.session.signal.aborted) seat.took.add(hashOf(next.bytes))
      seat.session.deliver(next.from, next.bytes)
    }
    idle = waiting.length > 0 ? 0 : idle + 1
    if (idle > 3) wake()
    if (idle > 200) throw new Error('a session that does not end')
  }
  const factsOf = (known: readonly { readonly outcome: Outcome; readonly record: EpochRecord }[]): PublicFacts => ({
    definition,
    kind: ceremonyKind(definition),
    attempt,
    protocols,
    outcomes: new Map(known.map(({ outcome, record }) => [record.outcome, outcome])),
    records: new Map(known.map(({ record }) => [hashOf(recordCodec.encode(record)), record])),
    message: table.message,
  })
  const base = epoch === undefined ? [] : [epoch]
  const facts = factsOf([...base, ...made.values()])
  const nothing = { attempt: undefined, outcomes: new Map(), records: new Map(), message: undefined }
  const less: readonly Partial<PublicFacts>[] = [
    ...Object.entries(nothing).map(([name, none]) => ({ [name]: none })),
    nothing,
  ]
  return {
    attempt: id,
    endings: await Promise.all(running),
    seats,
    sent,
    facts,
    factsAt(site) {
      const own = made.get(site)
      return factsOf(own === undefined ? base : [...base, own])
    },
    judge(blame) {
      const verdict = judgeBlame(blame, judgeContext(facts))
      for (const without of less) {
        const other = judgeBlame(blame, judgeContext({ ...facts, ...without }))
        if (other !== verdict && other !== 'undecidable')
          throw new Error(`${blame.check}: ${verdict}, and without ${Object.keys(without).join()} ${other}`)
      }
      // A claim of this ceremony rests on nothing that is not known here.
      if (verdict === 'undecidable' && blame.within === null && blame.attempt === id)
        throw new Error(`${blame.check}: undecidable by all facts`)
      return verdict === 'proven'
    },
  }
}
