import { AsyncLocalStorage } from 'node:async_hooks'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { readSignedMessage } from '../../src/ceremony/session/round-message.ts'
import { Session } from '../../src/ceremony/session/session.ts'
import type { Hash, Index, Party, SiteId } from '../../src/lib/brand.ts'
import { fromHex, u32 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { deal, newSalt, type Opening, openDealt } from '../../src/mpc/frost/dealing.ts'
import { dealingHash, type KeygenRounds, keygenRounds } from '../../src/mpc/frost/keygen.ts'
import { evaluateCommitment, sumCommitments } from '../../src/mpc/frost/polynomial.ts'
import { prove } from '../../src/mpc/frost/proof.ts'
import { proveKnowledge } from '../../src/mpc/frost/proof-of-knowledge.ts'
import { hasOddY, loadSuite, type Suite, taggedHash, xOnly } from '../../src/mpc/frost/suite.ts'
import type { Element, Scalar } from '../../src/mpc/group/group.ts'
import type { Mailbox } from '../../src/mpc/mailbox.ts'
import type { KeygenContext } from '../../src/mpc/scheme.ts'
import { type ProtocolId, protocolIds } from '../../src/records/definition-fields.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { seededRandom } from '../support/random.ts'
import { inTurn } from '../support/report.ts'
import { approveAll, joinAs, leftAt } from './ceremonies.ts'

/**
 * A rushing dealer waits for everybody else's dealing and then deals so that its own verifying share is the identity: every
 * message that it signs would hold every check by itself. On commit 6f7fc6f, which showed dealings in the first round, honest
 * sites then ended with exit 70 and blamed nobody.
 */
type Way = 'opens late' | 'commits late' | 'never opens'
interface Rushing {
  readonly way: Way
  readonly payloads: Map<string, Uint8Array>
  readonly wake: (() => void)[]
}
const rushing = new AsyncLocalStorage<Rushing>()

vi.mock('../../src/mpc/registry.ts', async (original) => {
  const real = await original<typeof import('../../src/mpc/registry.ts')>()
  return {
    ...real,
    loadScheme: async (id: ProtocolId) => {
      const scheme = await real.loadScheme(id)
      const state = rushing.getStore()
      return state === undefined ? scheme : { ...scheme, keygen: { ...scheme.keygen, run: rush(id, state) } }
    },
  }
})

const { deliver } = Session.prototype
Session.prototype.deliver = function (this: Session, from: SiteId, bytes: Uint8Array) {
  const state = rushing.getStore()
  const { round, from: party, payload } = readSignedMessage(bytes)
  if (state !== undefined && payload !== undefined) {
    state.payloads.set(`${round}|${party}`, payload.slice())
    for (const wake of state.wake.splice(0)) wake()
  }
  deliver.call(this, from, bytes)
}
afterAll(() => {
  Session.prototype.deliver = deliver
})

/** The commitment that makes F(self) of the sum of all the identity; proofs need the constant term alone. */
const cancelling = (
  suite: Suite,
  context: KeygenContext,
  session: Hash,
  self: Party,
  others: readonly (readonly Element[])[],
): Opening => {
  const { group } = suite
  const { field } = group
  const random = seededRandom('rushing dealer')
  const index = Number(self) as Index
  const zero = field.fromNumber(0)
  const a0 = field.reduce(random(field.wideBytes))
  const first = group.timesBase(a0)
  let rest = group.add(evaluateCommitment(group, sumCommitments(group, others), index), first)
  // BIP-340: the tweak follows from constant terms that are all known now.
  if (suite.evenY) {
    const key = group.encode(others.reduce((sum, one) => group.add(sum, one[0] as Element), first))
    const tweak = field.decode(taggedHash('TapTweak', xOnly(key))) as Scalar
    const shift = hasOddY(key) ? tweak : field.subtract(zero, tweak)
    rest = group.add(rest, group.negate(group.timesBase(shift)))
  }
  const linear = group.combine(undefined, [field.subtract(zero, field.invert(field.fromNumber(index)))], [rest])
  const commitment = [first, linear].map((one) => group.encode(one))
  const [constant] = commitment as [Uint8Array]
  const bound = [fromHex(session), u32(self), u32(context.threshold), u32(context.parties), ...commitment]
  const proof = proveKnowledge(suite, self, a0, constant, random)
  return [newSalt(random), commitment, proof, prove(suite, 'quorate keygen session proof v1', bound, a0, random)]
}

const rush =
  (id: ProtocolId, { way, payloads, wake }: Rushing) =>
  async (box: Mailbox<KeygenRounds>, context: KeygenContext): Promise<never> => {
    const suite = await loadSuite(id)
    const rounds = keygenRounds(id)
    const heard = async (round: string): Promise<readonly Uint8Array[]> => {
      while (box.peers.some((peer) => !payloads.has(`${round}|${peer}`)))
        await new Promise<void>((done) => wake.push(done))
      return box.peers.map((peer) => payloads.get(`${round}|${peer}`) as Uint8Array)
    }
    if (way === 'commits late') await heard('commitments')
    const honest = deal(suite, context, box.session, box.self, seededRandom('committed'))
    const opening: Opening = [newSalt(seededRandom('salt')), ...honest.message]
    await box.broadcast('commitments', dealingHash(id, context, box.session, box.self, opening))
    const opened = (await heard('openings')).map((payload, at) => {
      const [, ...dealt] = rounds.openings.codec.decode(payload)
      return openDealt(suite, context, box.session, box.peers[at] as Party, dealt) as readonly Element[]
    })
    if (way !== 'never opens')
      await box.broadcast('openings', cancelling(suite, context, box.session, box.self, opened))
    return new Promise<never>(() => undefined)
  }

const names = ['s1', 's2', 's3'] as SiteId[]
const [s1, s2, s3] = names as [SiteId, SiteId, SiteId]

const run = async (protocol: ProtocolId, way: Way) => {
  const world = await memoryWorld(names)
  const definition = await keygenDefinition({
    protocol,
    sites: await siteEntries(names),
    deadlines: { gather: 60, proposal: 5, round: 20, close: 3 },
  })
  await approveAll(world, names, definition)
  void rushing.run({ way, payloads: new Map(), wake: [] }, () => joinAs(world, s3, definition, null))
  const honest = await Promise.all([s1, s2].map((name) => joinAs(world, name, definition, null)))
  const left = await Promise.all([s1, s2].map((name) => leftAt(world, name, definition)))
  world.clock.stop()
  return { honest, left }
}

describe('a dealer who waits for all other dealings', () => {
  it.each(
    inTurn(protocolIds, 1).flatMap((protocol) =>
      (['opens late', 'commits late'] as const).map((way) => ({ protocol, way })),
    ),
  )('$protocol: $way: cannot choose its verifying share, and is proven guilty', async ({ protocol, way }) => {
    const { honest, left } = await run(protocol, way)
    for (const { error } of honest)
      expect(error).toMatchObject({
        code: 'E_PEER_PROOF_INVALID',
        exit: 4,
        details: { accused: s3, check: 'opening' },
      })
    for (const { blames, staged, installed, ready } of left) {
      expect(blames.map(({ accused, check }) => [accused, check])).toContainEqual([s3, 'opening'])
      expect([staged, installed, ready]).toEqual([0, 0, false])
    }
  })

  it('and then says nothing is named at the deadline, and nothing was made', async () => {
    const { honest, left } = await run('frost-ed25519', 'never opens')
    for (const { error } of honest) {
      expect(error).toBeInstanceOf(QuorateError)
      expect(error).toMatchObject({ code: 'E_PEER_SILENT', exit: 5, details: { missing: [s3], round: 'openings' } })
    }
    for (const { blames, staged } of left) expect([blames, staged]).toEqual([[], 0])
  })
})
