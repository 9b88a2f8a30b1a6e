import { beforeAll, describe, expect, it } from 'vitest'
import { readSignedMessage, signMessage } from '../../src/ceremony/session/round-message.ts'
import { toFault } from '../../src/cli/fault.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import type { QuorateError } from '../../src/lib/errors.ts'
import type { Definition } from '../../src/records/definition.ts'
import { copyWorld } from '../support/memory-site.ts'
import { LONG } from '../support/report.ts'
import { approveAll, type Joined, joinAs, type Liar } from './ceremonies.ts'
import { type Keyed, keyedWorld } from './keyed-world.ts'

/**
 * All three are named as signers. s3 tells each of the others its own thing in the place of its share, with cuts between
 * the honest sites and with their results lost: whoever has sent its share is bound, and no proof takes it out.
 */

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]
const message = utf8('pay nobody')
const deadlines = { gather: 60, proposal: 5, round: 30, close: 12 }

/** The place of the share in what s3 sends one peer: after its commitment. */
const shows = ['true', 'false', 'nothing'] as const
type Show = (typeof shows)[number]
const cuts = ['none', 'results', 'after the shares'] as const
type Cut = (typeof cuts)[number]

interface Case {
  readonly to1: Show
  readonly to2: Show
  readonly cut: Cut
}

const all: readonly Case[] = shows.flatMap((to1) => shows.flatMap((to2) => cuts.map((cut) => ({ to1, to2, cut }))))
/** One is bound and holds a proof, and the other has the signature. */
const byDay = all.filter(({ to1, to2, cut }) => to1 === 'false' && to2 === 'true' && cut !== 'none')

let keyed: Keyed
beforeAll(async () => {
  keyed = await keyedWorld(names, deadlines)
})

const isResult = (one: Parameters<Liar['talk']>[1]): boolean => one.is === 'object' && one.name === 'result'

const told = (one: Joined): string => (one.error === undefined ? 'closed' : toFault(one.error).code)
const hintOf = ({ error }: Joined): string => (error as QuorateError | undefined)?.hint ?? ''

describe('a share that each is told otherwise', () => {
  it.each(LONG ? all : byDay)('to s1 $to1, to s2 $to2, cut: $cut', async ({ to1, to2, cut }) => {
    const world = await copyWorld(keyed.world, `bound ${to1} ${to2} ${cut}`)
    const sign: Definition = await keyed.signing(message, { signers: [...names] })
    await approveAll(world, names, sign)
    world.network.set({ delay: [1, 1] })
    let healed = false
    const shares = new Set<SiteId>()
    const show: Readonly<Record<string, Show>> = { [s1]: to1, [s2]: to2 }
    const mute = (site: SiteId, post: Liar['post'] = (_topic, _to, bytes) => [bytes]): Liar => ({
      site,
      ceremony: undefined,
      post,
      talk: (_to, one) => (cut === 'none' || healed || !isResult(one) ? [one] : []),
    })
    const liar = mute(s3, (_topic, to, bytes) => {
      const post = readSignedMessage(bytes)
      if (post.round !== 'shares' || post.payload === undefined) return [bytes]
      shares.add(to)
      if (cut === 'after the shares' && shares.size === 2)
        world.network.set({ tamper: (from, at, frame) => (healed || from === s3 || at === s3 ? [frame] : []) })
      const one = show[to] ?? 'true'
      if (one === 'true') return [bytes]
      if (one === 'nothing') return []
      const signer = liar.ceremony?.keys.message.raw ?? expect.fail('no liar')
      const payload = post.payload.slice()
      // A number below the order of the group, and another one: only the check of the share tells it.
      payload[payload.length - 32] = (payload[payload.length - 32] ?? 0) ^ 1
      return [signMessage(signer, post, payload, new Uint8Array(0)).bytes]
    })
    const first = await Promise.all([
      joinAs(world, s1, sign, message, mute(s1)),
      joinAs(world, s2, sign, message, mute(s2)),
      joinAs(world, s3, sign, message, liar),
    ])
    expect([...shares].sort()).toEqual([s1, s2])
    for (const one of first.slice(0, 2)) {
      expect(told(one)).not.toBe('E_BUG')
      expect(one.ceremony?.aborted, told(one)).toBe(false)
      expect(hintOf(one)).not.toContain('nothing was made')
    }
    healed = true
    world.network.set({ delay: [1, 1], tamper: (_from, _to, frame) => [frame] })
    let last: readonly Joined[] = first.slice(0, 2)
    for (let again = 0; again < 2; again++)
      last = await Promise.all([joinAs(world, s1, sign, message), joinAs(world, s2, sign, message)])
    const made = [...first.slice(0, 2), ...last].flatMap(({ result }) => result?.signature ?? [])
    // One signature at all honest sites, or none anywhere.
    expect(new Set(made).size).toBeLessThanOrEqual(1)
    const ends = last.map(told)
    if (made.length > 0) expect(ends).toEqual(['closed', 'closed'])
    for (const one of last) {
      expect(told(one)).not.toBe('E_BUG')
      expect(hintOf(one)).not.toContain('nothing was made')
    }
    // Cut off after the liar's shares, the honest ones may not have each other's.
    if (cut !== 'after the shares' && (to1 === 'true' || to2 === 'true')) expect(made.length).toBeGreaterThan(0)
  })
})
