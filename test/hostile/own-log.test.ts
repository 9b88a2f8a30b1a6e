import { beforeAll, describe, expect, it } from 'vitest'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import type { Definition } from '../../src/records/definition.ts'
import { seededRandom } from '../support/random.ts'
import { many } from '../support/report.ts'
import type { Liar } from './ceremonies.ts'
import { lyingBase, lyingCeremony, withLiar } from './own-log.ts'
import { type LogLie, logLies, lyingEnding } from './own-log-lies.ts'

/**
 * One liar violates each check of the audit in turn, by what it writes into its own log at the end. The bundle of every
 * honest site stays valid, and where the liar's log is in it, it names the liar.
 */

const CASES = many(4, 20, Number.POSITIVE_INFINITY)
const SEED = process.env['HOSTILE_SEED'] ?? `own log ${new Date().toISOString().slice(0, 10)}`
const ONLY = process.env['HOSTILE_ONLY']
const liarName = 's3' as SiteId

type Case = readonly [kind: Definition['kind'], lie: LogLie]
const all: readonly Case[] = (['keygen', 'sign'] as const).flatMap((kind) => logLies.map((lie) => [kind, lie] as const))

const some = (): readonly Case[] => {
  if (ONLY !== undefined) return all.filter(([kind, { does }]) => `${kind}: ${does}`.includes(ONLY))
  const random = seededRandom(SEED)
  return [...all]
    .map((one) => ({ one, order: Buffer.from(random(4)).readUInt32BE() }))
    .sort((a, b) => a.order - b.order)
    .slice(0, CASES)
    .map(({ one }) => one)
}

let base: Awaited<ReturnType<typeof lyingBase>>
beforeAll(async () => {
  base = await lyingBase()
})

const liarWith = (lie: LogLie) => (): Liar => {
  const bodies = new Map<Hash, Uint8Array>()
  let said: ReturnType<typeof lyingEnding> | undefined
  const liar: Liar = {
    site: liarName,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk(_to, talk) {
      const { ceremony } = liar
      if (talk.is !== 'log' || ceremony === undefined) return [talk]
      if (said === undefined) {
        const { log } = ceremony
        const body = log.body.bind(log)
        log.body = (object) => bodies.get(object) ?? body(object)
        said = lyingEnding(ceremony, 's1' as SiteId, lie, talk, bodies)
      }
      return [said]
    },
  }
  return liar
}

describe(`one liar's own log (seed ${SEED})`, () => {
  it.each(some().map(([kind, lie]) => ({ kind, lie, does: lie.does, check: lie.check })))(
    '$kind, $check: it $does',
    async ({ kind, lie, does }) => {
      for (const { site, ended, verdict, failing, accused, open } of await withLiar(base, kind, does, liarWith(lie))) {
        expect(failing, `the bundle of ${site}`).toEqual([])
        // What the liar kept back leaves it incomplete, never invalid.
        expect(ended).toBe('0')
        expect(['valid', 'incomplete']).toContain(verdict)
        expect(accused.filter((name) => name !== liarName)).toEqual([])
        const left = open.some((text) => text.startsWith('log.present') && text.includes(liarName))
        if (lie.harmless !== true && !left) expect(accused, `named at ${site}`).toEqual([liarName])
      }
    },
  )
})

it('a log that names what its site gives nobody leaves that site alone open', async () => {
  const lie = logLies.find(({ does }) => does === 'names as hello what nobody has') ?? expect.fail()
  const { joined } = await lyingCeremony(base, 'keygen', 'kept back', liarWith(lie))
  for (const { result } of joined)
    expect(result?.open.filter((text) => text.includes('log or cosignature'))).toEqual([
      `${liarName}: log or cosignature missing`,
    ])
})
