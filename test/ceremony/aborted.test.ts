import { describe, expect, it } from 'vitest'
import { type VerifyReport, verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { Progress } from '../../src/ceremony/progress.ts'
import type { JoinControl } from '../../src/ceremony/store/ceremony.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, memorySite, memoryWorld } from '../support/memory-site.ts'

/** What a site that leaves makes of a key generation, at the others and at itself. */

const names = ['eu', 'us', 'ap']

const moments: readonly (readonly [string, (event: Progress) => boolean])[] = [
  ['before a session', (event) => event.phase === 'gather'],
  ['in the middle of a session', (event) => event.phase === 'round' && event.round === 'shares'],
  ['when all but its vote is there', (event) => event.phase === 'step' && event.step === 'proven' && event.got === 3],
]

describe.each(moments)('a key generation that one site leaves %s', (moment, isMoment) => {
  const isLast = moment === moments.at(-1)?.[0]

  /** How each join ended, and the verdict on the bundle that its error names. */
  const run = async (): Promise<
    ReadonlyMap<string, { readonly error: unknown; readonly report: VerifyReport | undefined }>
  > => {
    const world = await memoryWorld(names)
    const definition = await keygenDefinition({ sites: await siteEntries(names) })
    for (const name of names) await approveIn(world, name, definition)
    const joins = names.map(async (name) => {
      const stop = new AbortController()
      let control: JoinControl | undefined
      let leaving: Promise<void> | undefined
      const leave = async (): Promise<void> => {
        await control?.abort('changed my mind')
        stop.abort(new QuorateError('E_ABORTED', 'this site left the ceremony', 'plan a new definition'))
      }
      try {
        return await joinCeremony(await memorySite(world, name), definition, {
          progress: (event) => {
            if (name === 'ap' && isMoment(event)) leaving ??= leave()
          },
          signal: stop.signal,
          message: null,
          check: false,
          control: (given) => {
            control = given
          },
        })
      } finally {
        await leaving
      }
    })
    const ended = await Promise.allSettled(joins)
    const found = new Map<string, { error: unknown; report: VerifyReport | undefined }>()
    for (const [at, name] of names.entries()) {
      const one = ended[at]
      const error = one?.status === 'rejected' ? one.reason : one?.value
      const path = error instanceof QuorateError ? error.details['bundle'] : undefined
      const bytes = typeof path === 'string' ? await world.homes.get(name)?.disk.read(path) : undefined
      const report = bytes && (await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence }))
      found.set(name, { error, report })
    }
    return found
  }

  it('leaves a bundle at each site that says who left, and in which nothing fails; who has voted already is undecided', async () => {
    const found = await run()
    for (const [name, { error, report }] of found) {
      // A site that gave its vote before it heard of the abort: the one that left may have voted, too.
      if (report === undefined && name !== 'ap' && isLast) {
        expect(error).toMatchObject({ code: 'E_NOT_FINISHED', details: { step: 'ready', waiting: ['ap'] } })
        continue
      }
      expect(error).toMatchObject({ code: 'E_ABORTED' })
      expect(report?.checks.filter(({ verdict }) => verdict === 'fails')).toEqual([])
      // Once a session has begun, the logs of all who sat in it belong into a bundle.
      const verdict = moment === moments[0]?.[0] ? 'valid' : 'incomplete'
      expect([report?.bundle.state, report?.verdict]).toEqual(['aborted', verdict])
      expect(report?.checks.find(({ id }) => id === 'blame.left')?.reason).toContain('ap')
    }
  })
})
