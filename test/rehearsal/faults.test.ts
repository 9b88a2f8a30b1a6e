import { describe, expect, it } from 'vitest'
import { hexMessage } from '../../src/ceremony/definition/message.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import type { Act } from '../../src/rehearsal/rehearse.ts'
import { keygenDefinition, refreshDefinition, repairDefinition, signDefinition } from '../support/definition.ts'
import { rehearsal } from './support.ts'

/** How each join ended, by site: a code, `closed`, or `killed`. */
const ends = ({ joins }: Act): string =>
  joins.map(({ fault, killed }) => fault?.code ?? (killed === null ? 'closed' : 'killed')).join(' ')
const CLOSED = 'closed closed closed'

describe('a fault of a key generation', () => {
  it.each([
    ['drop:us:1', 'E_PEER_SILENT E_PEER_SILENT E_PEER_SILENT', 'nothing'],
    ['drop:us:2', 'E_PEER_SILENT E_PEER_SILENT E_PEER_SILENT', 'nothing'],
    ['partition:us', 'E_APPROVALS_MISSING E_APPROVALS_MISSING E_APPROVALS_MISSING', 'nothing'],
    ['kill:us:attempt', 'E_QUORUM killed E_QUORUM', 'nothing'],
    ['kill:us:staged', 'E_PEER_SILENT killed E_PEER_SILENT', 'nothing'],
    ['kill:us:ready', 'E_NOT_FINISHED killed E_NOT_FINISHED', 'undecided'],
    ['kill:us:installed', 'E_NOT_FINISHED killed E_NOT_FINISHED', 'made'],
    ['kill:us:closing', 'closed killed closed', 'made'],
  ])('%s is seen, and mended by joining again', async (fault, codes, state) => {
    const { first, again, faults } = await rehearsal({ definition: await keygenDefinition(), faults: [fault] })
    expect(faults).toMatchObject([{ fault, happened: true }])
    expect(ends(first)).toBe(codes)
    expect(first.end.state).toBe(state)
    expect(again && ends(again)).toBe(CLOSED)
    expect(again?.end).toMatchObject({ state: 'made', waiting: [] })
  })

  it('says whose vote nobody saw', async () => {
    const { first } = await rehearsal({ definition: await keygenDefinition(), faults: ['kill:us:ready'] })
    expect(first.end).toMatchObject({ by: ['eu', 'us', 'ap'], waiting: ['us'] })
  })

  it.each(['delay:us:900', 'duplicate:us', 'reorder:us'])('%s ends nothing', async (fault) => {
    const { first, again, faults } = await rehearsal({ definition: await keygenDefinition(), faults: [fault] })
    expect(faults).toMatchObject([{ fault, happened: true }])
    expect([ends(first), first.end.state, again]).toEqual([CLOSED, 'made', null])
  })

  it('a delay is waited for on the fast clock', async () => {
    const { first } = await rehearsal({ definition: await keygenDefinition(), faults: ['delay:us:900'] })
    const gather = first.joins[0]?.phases.find(({ name }) => name === 'gather')
    expect(gather?.waited).toBeGreaterThanOrEqual(1800)
  })

  it.each([
    ['lie:us:1', 'E_PEER_PROOF_INVALID'],
    ['lie:us:2', 'E_PEER_PROOF_INVALID'],
    ['lie:us:3', 'E_PEER_SHARE_INVALID'],
  ])('%s is proven, and ends it for good', async (fault, code) => {
    const { first, again, faults } = await rehearsal({ definition: await keygenDefinition(), faults: [fault] })
    expect(faults).toMatchObject([{ happened: true }])
    expect(first.joins.filter(({ site }) => site !== 'us').map((join) => join.fault?.code)).toEqual([code, code])
    expect(first.end).toMatchObject({ state: 'aborted', guilty: ['us'] })
    expect(again).toBeNull()
  })

  it('a withdrawn approval ends it, each in words of its own', async () => {
    const { first } = await rehearsal({ definition: await keygenDefinition(), faults: ['stale:us'] })
    expect(first.end).toMatchObject({ state: 'aborted', by: ['us'], guilty: [] })
    expect(first.joins.map(({ fault }) => fault?.message)).toEqual([
      'us left this ceremony',
      'this site left this ceremony',
      'us left this ceremony',
    ])
  })

  it('two at once are two', async () => {
    const faults = ['kill:us:ready', 'delay:ap:500']
    const { first, ...rest } = await rehearsal({ definition: await keygenDefinition(), faults })
    expect(rest.faults.map(({ happened }) => happened)).toEqual([true, true])
    expect(ends(first)).toBe('E_NOT_FINISHED killed E_NOT_FINISHED')
  })

  it.each(['kill:us:result', 'drop:us:9', 'lie:us:9'])('%s has nothing to strike, and it says so', async (fault) => {
    const { first, faults } = await rehearsal({ definition: await keygenDefinition(), faults: [fault] })
    expect(faults).toMatchObject([{ happened: false }])
    expect(ends(first)).toBe(CLOSED)
  })

  it('strikes in the same way again with one seed', async () => {
    const told = async (seed: string) => {
      const { first } = await rehearsal({ definition: await keygenDefinition(), faults: ['reorder:us'], seed })
      return first.joins.map(({ seen }) => seen)
    }
    const once = await told('a')
    expect(await told('a')).toEqual(once)
    expect(await told('b')).not.toEqual(once)
  })
})

describe('a fault of a refresh', () => {
  it('before the votes leaves the old shares, after them it is finished', async () => {
    const definition = await refreshDefinition()
    const early = await rehearsal({ definition, faults: ['kill:ap:staged'] })
    expect(early.first.end.state).toBe('nothing')
    expect(early.again?.end.state).toBe('made')
    const late = await rehearsal({ definition, faults: ['kill:ap:retired'] })
    expect(late.faults).toMatchObject([{ happened: true }])
    expect(late.first.end.state).toBe('made')
    expect(late.again && ends(late.again)).toBe(CLOSED)
  })
})

describe('a fault of a repair', () => {
  it.each([2, 3, 4])('a lie in round %i is proven', async (round) => {
    const { first } = await rehearsal({ definition: await repairDefinition({ epoch: 3 }), faults: [`lie:us:${round}`] })
    expect(first.end).toMatchObject({ guilty: ['us'] })
  })
})

describe('a fault of a signature', () => {
  const text = utf8('Pay 250 to the supplier.\n')
  const definition = () => signDefinition({ message: hexMessage(text) })

  it('without one signs, the real message or another of its size', async () => {
    const other = await rehearsal({ definition: await definition() })
    expect([other.first.end.state, other.replaced.includes('message')]).toEqual(['made', true])
    const real = await rehearsal({ definition: await definition(), message: text })
    expect([real.first.end.state, real.same.includes('message')]).toEqual(['made', true])
    const blind = await rehearsal({
      definition: await signDefinition({ message: { form: 'digest', digest: 'ab'.repeat(32), blind: 'a test' } }),
    })
    expect([blind.first.end.state, blind.same.includes('message')]).toEqual(['made', true])
  })

  it('refuses a message that the definition does not name', async () => {
    const error = await rehearsal({ definition: await definition(), message: utf8('another') }).catch((one) => one)
    expect(error instanceof QuorateError && error.code).toBe('E_REFUSED')
  })

  it('a liar among those who may be chosen is left out', async () => {
    const { first, faults } = await rehearsal({ definition: await definition(), faults: ['lie:eu:2'] })
    expect(faults).toMatchObject([{ happened: true }])
    expect(first.end).toMatchObject({ state: 'made', guilty: ['eu'] })
    expect(first.joins.slice(1).map(({ fault }) => fault)).toEqual([null, null])
  })

  it('who withdrew is left out', async () => {
    const { first } = await rehearsal({ definition: await definition(), faults: ['stale:eu'] })
    expect(first.end).toMatchObject({ state: 'made', by: ['us', 'ap'] })
  })
})

describe('a fault that is none', () => {
  it('is refused where there are more than a report has room for', async () => {
    const faults = Array.from({ length: 65 }, () => 'stale:us')
    await expect(rehearsal({ definition: await keygenDefinition(), faults })).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  it.each([
    ['', 'has none of the forms'],
    ['break:us', 'has none of the forms'],
    ['toString:us', 'has none of the forms'],
    ['drop:us', 'has none of the forms'],
    ['drop:us:1:2', 'has none of the forms'],
    ['stale:us:1', 'has none of the forms'],
    ['stale:nobody', 'names no site'],
    ['drop:us:0', 'does not fit drop:SITE:ROUND'],
    ['drop:us:21', 'does not fit drop:SITE:ROUND'],
    ['lie:us:01', 'does not fit lie:SITE:ROUND'],
    ['delay:us:1.5', 'does not fit delay:SITE:MS'],
    ['delay:us:3600001', 'does not fit delay:SITE:MS'],
    ['kill:us:lunch', 'does not fit kill:SITE:BARRIER'],
  ])('%s is refused, with all forms', async (fault, words) => {
    const error = await rehearsal({ definition: await keygenDefinition(), faults: [fault] }).catch((one) => one)
    expect(error).toBeInstanceOf(QuorateError)
    expect(error).toMatchObject({ code: 'E_USAGE' })
    expect(error.message).toContain(words)
    for (const form of 'drop:SITE:ROUND delay:SITE:MS duplicate:SITE reorder:SITE partition:SITE kill:SITE:BARRIER lie:SITE:ROUND stale:SITE eu staged'.split(
      ' ',
    ))
      expect(error.hint).toContain(form)
    // A word that was typed into the wrong place may be a secret.
    if (fault.length > 8) expect(error.message).not.toContain(fault)
  })
})
