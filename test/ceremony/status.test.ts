import { describe, expect, it } from 'vitest'
import { readLog } from '../../src/audit/disk-log.ts'
import { ceremonyOrigin } from '../../src/audit/note.ts'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { logPath } from '../../src/ceremony/paths.ts'
import { readSignedMessage, signMessage } from '../../src/ceremony/session/round-message.ts'
import { describeStatus, type Known, type Status } from '../../src/ceremony/status/describe.ts'
import { admitKeptApprovals } from '../../src/ceremony/store/kept-approvals.ts'
import { RecordStore } from '../../src/ceremony/store/record-store.ts'
import { statusView } from '../../src/cli/render/status.ts'
import { forStdout } from '../../src/cli/term.ts'
import { systemClock } from '../../src/host/clock.ts'
import type { SiteId, Time } from '../../src/lib/brand.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import type { Disk } from '../../src/lib/ports.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { shortId } from '../../src/records/short-id.ts'
import { approveAll, type Joined, joinAs, type Liar } from '../hostile/ceremonies.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { type MemoryWorld, memoryWorld } from '../support/memory-site.ts'

const [eu, us] = ['eu', 'us'] as [SiteId, SiteId]
const deadlines = { gather: 60, proposal: 5, round: 20, close: 10 }

/** What `status` makes of a home in memory, and its screen. */
const statusAt = async (
  world: MemoryWorld,
  name: SiteId,
  definition: Definition,
  changes: Partial<Known> = {},
): Promise<{ readonly status: Status; readonly screen: readonly string[] }> => {
  const { home, disk } = world.homes.get(name) ?? expect.fail()
  const authority = definitionAuthority(definition)
  const ceremony = ceremonyId(definition)
  const book = new RecordStore(authority, systemClock)
  await admitKeptApprovals(book, disk, ceremony)
  const origin = ceremonyOrigin(ceremony, home.identity)
  const log = await readLog({ disk, path: logPath(ceremony), origin, key: home.keys.log.key })
  const status = describeStatus({
    authority,
    self: home.identity,
    log,
    approved: book.approved(),
    notes: new Map(),
    now: Date.parse('2026-11-24T12:00:00Z'),
    bundle: null,
    running: 'no',
    lastJoin: undefined,
    forgetful: false,
    unreachable: null,
    ...changes,
  })
  return { status, screen: forStdout(statusView(status)).split('\n') }
}

/** A site whose round messages come out otherwise; undefined: not at all. */
const liar = (site: SiteId, change: ((bytes: Uint8Array, one: Liar) => Uint8Array) | undefined): Liar => ({
  site,
  ceremony: undefined,
  talk: (_, talk) => [talk],
  post(_, __, bytes) {
    return change === undefined ? [] : [change(bytes, this)]
  },
})

const falseCommitments = (bytes: Uint8Array, { ceremony }: Liar): Uint8Array => {
  const post = readSignedMessage(bytes)
  if (post.round !== 'commitments' || post.payload === undefined || ceremony === undefined) return bytes
  const payload = post.payload.slice()
  const last = payload.length - 1
  payload[last] = (payload[last] ?? 0) ^ 1
  return signMessage(ceremony.keys.message.raw, post, payload, new Uint8Array(0)).bytes
}

const failure = ({ error }: Joined): QuorateError => (error instanceof QuorateError ? error : expect.fail())

describe('status of a ceremony that a lie ended', () => {
  it('says what is proven against whom, and what follows', async () => {
    const world = await memoryWorld([eu, us])
    const definition = await keygenDefinition({ sites: await siteEntries([eu, us]), deadlines })
    await approveAll(world, [eu, us], definition)
    const [honest] = await Promise.all([
      joinAs(world, eu, definition, null),
      joinAs(world, us, definition, null, liar(us, falseCommitments)),
    ])
    const { code, message, exit, hint } = failure(honest)
    expect([code, exit]).toEqual(['E_PEER_EQUIVOCATED', 4])
    expect(message).toBe('us signed two different messages for one place in the protocol')
    expect(hint).toMatch(
      /^nothing was made\. Check us’s build before you run again; the proof .* is in bundles\/.*\.abort\.bundle$/,
    )
    const { status, screen } = await statusAt(world, eu, definition)
    expect(status).toMatchObject({ phase: 'closed', proven: [us], proofs: [message] })
    expect(screen).toContain(`proven      ${message}`)
    expect(screen).toContainEqual(expect.stringMatching(/^attempt 1 {3}eu, us: ended by proof against us +failed$/))
    expect(status.next).toBe('ended by proof against us: verify the bundle, check that site, plan anew')
  })
})

describe('status after every attempt was used', () => {
  it('names who was silent, and join does not call the others absent', async () => {
    const world = await memoryWorld([eu, us])
    const definition = await keygenDefinition({ sites: await siteEntries([eu, us]), deadlines, attempts: 3 })
    await approveAll(world, [eu, us], definition)
    const join = (lies: boolean): Promise<readonly Joined[]> =>
      Promise.all([
        joinAs(world, eu, definition, null),
        joinAs(world, us, definition, null, lies ? liar(us, undefined) : undefined),
      ])
    for (let attempt = 0; attempt < 3; attempt++)
      expect(failure((await join(true))[0] as Joined).code).toBe('E_PEER_SILENT')
    const last = (await join(false)).map(failure)
    expect(last.map(({ code }) => code)).toEqual(['E_ATTEMPTS', 'E_ATTEMPTS'])
    expect(last[0]?.message).toBe('all 3 attempts of this definition are used here')
    const { status, screen } = await statusAt(world, eu, definition)
    expect(status.failed).toEqual(
      [1, 2, 3].map((number) => ({ number, sites: [eu, us], why: 'nothing from us in commitments' })),
    )
    expect(screen).toContain('attempts    3 of 3')
    expect(status.next).toBe('every attempt is used: find out why they failed, then plan a new definition')
  })
})

describe('what comes next', () => {
  const at = Date.parse('2026-11-24T11:59:00Z')
  const fault = (code: string, hint: string) => ({ at, fault: { code, message: 'what happened', hint }, open: [] })

  const nextAt = async (changes: Partial<Known>, terms: Parameters<typeof keygenDefinition>[0] = {}) => {
    const world = await memoryWorld([eu, us])
    const definition = await keygenDefinition({ sites: await siteEntries([eu, us]), ...terms })
    await approveAll(world, [eu, us], definition)
    const { disk } = world.homes.get(eu) ?? expect.fail()
    const others = world.homes.get(us) ?? expect.fail()
    await admitOther(disk, others.disk, definition)
    return statusAt(world, eu, definition, changes)
  }
  /** The other site's approval, carried by hand. */
  const admitOther = async (to: Disk, from: Disk, definition: Definition): Promise<void> => {
    const path = `ceremonies/${shortId(ceremonyId(definition))}/approvals/us.dsse`
    await to.create(path, (await from.read(path)) ?? expect.fail())
  }

  it('is the remedy of the last join, where it is this site’s own', async () => {
    const lastJoin = fault('E_DISK', 'make room on this disk, then run the same command again')
    const { status, screen } = await nextAt({ lastJoin })
    expect(status.next).toBe('make room on this disk, then run `quorate keygen join` again')
    expect(screen).toContainEqual(expect.stringMatching(/^last join {3}what happened +E_DISK, 60 s ago$/))
  })

  it('is what all do together, where the last join was only early or stopped', async () => {
    for (const code of ['E_APPROVALS_MISSING', 'E_STOPPED'])
      expect((await nextAt({ lastJoin: fault(code, 'out of date') })).status.next).toBe(
        'all sites run `quorate keygen join`',
      )
  })

  it('is a new definition once the window closed', async () => {
    const window = { opens: '2026-01-01T00:00:00Z' as Time, closes: '2026-11-01T00:00:00Z' as Time }
    const { status, screen } = await nextAt({}, { window })
    expect(status.next).toBe('the window closed at 2026-11-01T00:00:00Z: plan a new definition')
    expect(screen).toContain('window      closed at 2026-11-01T00:00:00Z')
  })

  it('is nothing from a home that forgot its own word', async () => {
    const { status } = await nextAt({ forgetful: true, lastJoin: fault('E_SITE_ROLLED_BACK', 'x') })
    expect(status.next).toMatch(
      /^nobody runs from this home any more: .*; keep it as evidence, and sign with the other sites$/,
    )
  })

  it('is another process’s end, where one holds the home', async () => {
    expect((await nextAt({ running: 'other' })).status.next).toBe(
      'wait until the other process of this home has ended; then run `quorate keygen join`',
    )
    const { status, screen } = await nextAt({ running: 'join' })
    expect(status.next).toBe(
      'the join that runs here goes on by itself; whoever has not joined runs `quorate keygen join`',
    )
    expect(screen).toContain('here        a join runs')
  })

  it('is a relay, where none of the definition answers', async () => {
    const { screen } = await nextAt({ unreachable: [{ url: 'wss://relay.example', why: 'ECONNREFUSED' }] })
    expect(screen).toContainEqual(
      expect.stringMatching(/^relay {7}wss:\/\/relay\.example does not answer +ECONNREFUSED$/),
    )
  })
})
