import { expect } from 'vitest'
import { BlameError, SilenceError } from '../../src/ceremony/session/endings.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import type { Random } from '../../src/lib/ports.ts'
import { type ProtocolId, protocolIds } from '../../src/records/definition-fields.ts'
import { seededRandom } from '../support/random.ts'
import { many, report } from '../support/report.ts'
import { falseClaim } from './accuse.ts'
import { type LieName, liarWith, lieNames, seenAtOnce, type Told } from './lies.ts'
import { type Kind, type Play, play, type Seat, type Table, tableOf } from './parties.ts'
import { provenByStranger } from './strangers.ts'

const RUNS = many(960, 960, 9600)
const CLAIMS = 12

interface Draw {
  readonly table: Table
  readonly participants: readonly SiteId[]
  readonly lies: ReadonlyMap<SiteId, LieName>
}

const pick = <T>(random: Random, list: readonly T[]): T =>
  list[((random(1)[0] ?? 0) * 256 + (random(1)[0] ?? 0)) % list.length] as T
const oneIn = (random: Random, n: number): boolean => ((random(1)[0] ?? 0) * 256 + (random(1)[0] ?? 0)) % n === 0

const drawn = async (random: Random): Promise<Draw> => {
  const protocol: ProtocolId = oneIn(random, 20)
    ? 'frost-ed448'
    : pick(
        random,
        protocolIds.filter((id) => id !== 'frost-ed448'),
      )
  const n = oneIn(random, 20) ? 9 : pick(random, [3, 3, 3, 3, 3, 3, 3, 3, 2, 4, 4, 5, 5, 6])
  const t = n <= 3 ? 2 : 2 + ((random(1)[0] ?? 0) % (Math.ceil(n / 2) - 1))
  const kinds: readonly Kind[] = ['keygen', 'tested', 'refresh', 'reshare', 'reshare', 'sign', 'sign']
  // Where all must sign, no share can be made again.
  const kind: Kind = pick(random, t < n ? [...kinds, 'repair', 'repair'] : kinds)
  const table = await tableOf({ kind, protocol, n, t })
  const shuffled = [...table.sites].sort(() => (oneIn(random, 2) ? 1 : -1))
  const seated = new Set(kind === 'sign' ? shuffled.slice(0, t) : table.sites)
  const participants = table.sites.filter((site) => seated.has(site))
  const most = oneIn(random, 3) ? t - 1 : 1
  const liars = [...participants]
    .sort(() => (oneIn(random, 2) ? 1 : -1))
    .slice(0, Math.min(most, participants.length - 1))
  return { table, participants, lies: new Map(liars.map((site) => [site, pick(random, lieNames)])) }
}

interface Report {
  readonly run: Play
  readonly told: ReadonlyMap<SiteId, Told>
  readonly blamed: ReadonlySet<SiteId>
}

const lieIn = async ({ table, participants, lies }: Draw, random: Random, most: number): Promise<Report> => {
  const told = new Map<SiteId, Told>()
  const ways = new Map(
    [...lies].map(([site, lie]) => [site, liarWith(table, lie, random, most, (what) => told.set(site, what))]),
  )
  const run = await play(table, participants, random, ways)
  const honest = run.seats
    .map((seat, at) => ({ seat, ending: run.endings[at] }))
    .filter(({ seat }) => !lies.has(seat.site))
  const blamed = new Set<SiteId>()
  for (const { seat, ending } of honest) {
    // What comes after a site's own end is still told of by its session.
    const error = seat.session.signal.reason ?? (ending?.is === 'failed' ? ending.error : undefined)
    if (error === undefined) continue
    if (error instanceof BlameError) {
      const { blame } = error
      expect(run.judge(blame), `a claim that does not hold: ${blame.check}`).toBe(true)
      await provenByStranger(table, run, blame)
      expect(blame.accuser).toBe(seat.site)
      expect([...lies.keys()], `${blame.check} against an honest site`).toContain(blame.accused)
      blamed.add(blame.accused)
    } else expect(error).toBeInstanceOf(SilenceError)
  }
  for (const { ending } of honest)
    if (ending?.is === 'made' && 'signature' in ending)
      expect(
        table.protocols.verifySignature(fromHex(table.epoch?.outcome.publicKey ?? ''), table.message, ending.signature),
      ).toBe(true)
  const outcomes = honest.flatMap(({ ending }) =>
    ending?.is === 'made' && 'outcome' in ending ? [JSON.stringify(ending.outcome)] : [],
  )
  expect(new Set(outcomes).size, 'honest sites made different keys').toBeLessThanOrEqual(1)
  return { run, told, blamed }
}

const NOBODY = 'no honest session had it'

/**
 * Why an honest site did not prove a lie that is signed; undefined where it did. Fails where it took the lie in, nothing
 * else ended its session before the lie could be seen, and it names somebody else or nobody.
 */
const whyLate = (run: Play, seat: Seat, liar: SiteId, { said, session, lie, round }: Told): string | undefined => {
  if (!said.some((together) => together.every((one) => seat.took.has(one)))) return NOBODY
  const ending = run.endings[run.seats.indexOf(seat)]
  const reason = seat.session.signal.reason ?? (ending?.is === 'failed' ? ending.error : undefined)
  if (reason instanceof BlameError && reason.blame.accused === liar) return undefined
  const about = `not proven by ${seat.site}: ${lie} in ${round}; ${reason ?? ending?.is}`
  if (seenAtOnce.has(lie)) expect(seat.opened.has(session), about).toBe(false)
  // Whoever made a key or a signature beside the lie has overlooked it.
  expect(reason, about).toBeDefined()
  return `its session had ended: ${reason instanceof BlameError ? 'another lie' : 'silence'}`
}

/** Every `step`-th session from `first` on, of all that there are. */
export const liarsInSessions = async (first: number, step: number): Promise<void> => {
  const counts = { runs: 0, lies: 0, proofs: 0, proven: 0, silent: 0, harmless: 0, late: 0, claims: 0, untold: 0 }
  const reasons = new Map<string, number>()
  const perLie = new Map<string, number>()
  for (let n = first; n < RUNS; n += step) {
    const seed = `liars ${n}`
    const random = seededRandom(seed)
    const draw = await drawn(random)
    const about = () =>
      `${seed}: ${JSON.stringify(draw.table.terms)} ${[...draw.lies].map(([site, lie]) => `${site} ${lie}`).join(', ')}`
    try {
      let report = await lieIn(draw, random, 8)
      if (report.told.size === 0) report = await lieIn(draw, random, 1)
      const { run, told, blamed } = report
      counts.runs += 1
      if (told.size === 0) counts.untold += 1
      const honest = run.seats.filter(({ site }) => !draw.lies.has(site))
      for (const [site, what] of told) {
        counts.lies += 1
        perLie.set(`${what.lie}`, (perLie.get(`${what.lie}`) ?? 0) + 1)
        if (what.trace === 'none') counts.silent += 1
        if (what.trace === 'harmless') counts.harmless += 1
        if (what.trace !== 'proof') {
          expect(blamed, 'proven without a signed lie').not.toContain(site)
          continue
        }
        counts.proofs += 1
        const late = honest.map((seat) => whyLate(run, seat, site, what))
        if (blamed.has(site)) counts.proven += 1
        else {
          counts.late += 1
          const why = late.find((one) => one !== NOBODY) ?? NOBODY
          reasons.set(why, (reasons.get(why) ?? 0) + 1)
        }
      }
      if ([...told.values()].every(({ trace }) => trace === 'harmless'))
        expect(
          run.endings.every((one) => one.is === 'made'),
          `harmless, and not made: ${run.endings.map((e) => (e.is === 'failed' ? String(e.error) : e.is)).join(' | ')}`,
        ).toBe(true)
      const liars: Seat[] = run.seats.filter(({ site }) => draw.lies.has(site))
      for (let claim = 0; claim < CLAIMS; claim++) {
        const blame = falseClaim(draw.table, run, liars, pick(random, honest), random)
        counts.claims += 1
        expect(run.judge(blame), `framed: ${blame.check} against ${blame.accused}`).toBe(false)
      }
    } catch (error) {
      throw new Error(`${about()}\n${error instanceof Error ? error.message : error}`, { cause: error })
    }
  }
  report(`sessions: ${JSON.stringify(counts)}`)
  report(`lies told: ${JSON.stringify(Object.fromEntries([...perLie].sort()))}`)
  report(`late: ${JSON.stringify(Object.fromEntries([...reasons].sort()))}`)
}
