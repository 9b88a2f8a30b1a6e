import { rm } from 'node:fs/promises'
import { join as joinPath } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/host/clock.ts'
import { askOwner, claimHome, type HomeRequest } from '../../src/host/run-socket.ts'
import { fromUtf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { ceremonyId, type Definition, definitionCodec } from '../../src/records/definition.ts'
import { atHome } from '../../src/site/at-home.ts'
import { HomeOwner, type RunningJoin } from '../../src/site/home-owner.ts'
import { type HomeSession, noteApproval, openHomeSession } from '../../src/site/home-session.ts'
import { join } from '../../src/site/join.ts'
import { createIdentity } from '../../src/site/setup.ts'
import { makeHomes } from '../faults/homes.ts'
import { keygenDefinition } from '../support/definition.ts'
import { passphraseOf } from '../support/passphrase.ts'

/** A home's owner as other commands meet it at the socket; joins are what each test says. */

let homes: Awaited<ReturnType<typeof makeHomes>>
let definition: Definition
let text: string
let ceremony: ReturnType<typeof ceremonyId>
let owned: HomeSession
const object = hashOf(new Uint8Array([1]))

const none = async (): Promise<never> => {
  throw new Error('homes of tests have no passphrase')
}
const never = (): Promise<never> => new Promise(() => undefined)
const gate = (): { readonly opened: Promise<void>; open(): void } => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}
const said = (what: string): number => [...owned.ledger.replay()].filter((event) => event.what === what).length
const ask = (request: unknown) => askOwner(homes.home('eu'), request as HomeRequest)

beforeAll(async () => {
  homes = await makeHomes(['eu'])
  definition = await keygenDefinition()
  text = fromUtf8(definitionCodec.encode(definition))
  ceremony = ceremonyId(definition)
})
afterAll(() => rm(homes.root, { recursive: true, force: true }))
beforeEach(async () => {
  owned = await openHomeSession(homes.home('eu'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await owned.close()
})

describe('a request at the socket of a home', () => {
  it.each([
    ['of a kind that this version does not know', () => ({ do: 'forget', ceremony, reason: 'x' })],
    ['without a reason', () => ({ do: 'abort', ceremony, definition: text })],
    ['of no ceremony', () => ({ do: 'abort', ceremony: '../..', reason: 'x' })],
    ['that is no object', () => null],
    ['with a definition that does not decode', () => ({ do: 'join', ceremony, definition: '{}', check: false })],
    [
      'with the definition of another ceremony',
      () => ({ do: 'abort', ceremony: object, definition: text, reason: 'x' }),
    ],
  ])('%s does nothing, and says so', async (_, request) => {
    new HomeOwner(owned, { passphrase: none }, never)
    const answer = await ask(request())
    expect(answer).toMatchObject({ ok: false, code: 'E_HOME_BUSY' })
    expect(answer).toHaveProperty('message', expect.stringContaining('nothing was done'))
    expect(said('aborted')).toBe(0)
  })
})

describe('a ceremony of a home', () => {
  it('has no join beside an approval that is being noted', async () => {
    const owner = new HomeOwner(owned, { passphrase: none }, never)
    const [reached, noted] = [gate(), gate()]
    const barrier = owned.ledger.barrier.bind(owned.ledger)
    vi.spyOn(owned.ledger, 'barrier').mockImplementation(async () => {
      reached.open()
      await noted.opened
      return barrier()
    })
    const approved = ask({ do: 'approved', ceremony, object })
    await reached.opened
    const joined = await owner.run(ceremony, async () => 'ran').catch((error: QuorateError) => error.code)
    noted.open()
    await approved
    expect(joined).toBe('E_HOME_BUSY')
  })

  it('is not free before what another command does in its join is done; that is asked for again', async () => {
    const owner = new HomeOwner(owned, { passphrase: none }, never)
    const [reached, done, ended] = [gate(), gate(), gate()]
    const running: RunningJoin = {
      control: {
        abort: never,
        approved: () => {
          reached.open()
          return done.opened
        },
      },
      stop: () => undefined,
    }
    const first = owner.run(ceremony, async (offer) => {
      offer(running)
      await ended.opened
    })
    const approved = ask({ do: 'approved', ceremony, object })
    await reached.opened
    ended.open()
    await new Promise((resolve) => setImmediate(resolve))
    const second = await owner.run(ceremony, async () => 'ran').catch((error: QuorateError) => error.code)
    done.open()
    expect(await approved).toMatchObject({ ok: false, again: true })
    expect(second).toBe('E_HOME_BUSY')
    await first
    expect(await owner.run(ceremony, async () => 'ran')).toBe('ran')
  })

  it('is approved once in the ledger, and by each of two commands not before that is durable', async () => {
    const other = hashOf(new Uint8Array([2]))
    const barrier = vi.spyOn(owned.ledger, 'barrier')
    const before = said('approved')
    await Promise.all([noteApproval(owned, other, object), noteApproval(owned, other, other)])
    expect(said('approved') - before).toBe(1)
    expect(barrier).toHaveBeenCalledTimes(2)
  })
})

describe('a join that another process would run', () => {
  it('goes on by itself where the passphrase of that process is wrong', async () => {
    const wrong = async (): Promise<never> => {
      throw new QuorateError('E_PASSPHRASE', 'the passphrase is wrong', 'try again')
    }
    const locked = { ...owned, home: Object.assign(Object.create(owned.home), { card: wrong }) }
    new HomeOwner(locked, { passphrase: none }, (owner) => owner.site())
    expect(await ask({ do: 'join', ceremony, definition: text, check: false })).toMatchObject({
      ok: false,
      again: true,
    })
  })

  it('goes on by itself however long it ran there', async () => {
    await owned.close()
    const owner = await claimHome(homes.home('eu'))
    let times = 0
    owner.handle(async () => {
      // Longer than a busy home is waited for.
      await systemClock.sleep(5)
      times++
      if (times > 1) return { ok: true, result: 'done' }
      return { ok: false, code: 'E_HOME_BUSY', message: 'about to end', hint: 'wait', again: true }
    })
    try {
      const { signal } = new AbortController()
      const request = { do: 'join', ceremony, definition: text, check: false } as const
      const at = await atHome(homes.home('eu'), request, { patience: 1, onEvent: () => undefined, signal })
      expect(at).toEqual({ done: 'done' })
    } finally {
      await owner.release()
    }
  })
})

describe('a join of a home with a passphrase', () => {
  const progress = (): void => undefined
  let home: string
  beforeAll(async () => {
    home = joinPath(homes.folder, 'locked')
    const kms = [`local:${joinPath(homes.root, 'kms', 'locked.key')}`]
    const control = 'locked/locked/locked'
    const passphrase = passphraseOf('correct horse battery staple')
    const place = { kms, stores: ['home'], jurisdiction: 'test', control }
    await createIdentity({ home, name: 'locked', role: 'site', ...place, passphrase, kmsPassphrase: undefined })
  })

  it('is handed to no other process without that passphrase, also where that one is hard to reach', async () => {
    const owner = await claimHome(home)
    const handed: unknown[] = []
    owner.handle(async (request) => {
      if ((request as HomeRequest).do !== 'join') throw new Error('no answer')
      handed.push(request)
      return { ok: true, result: null }
    })
    const wrong = async (): Promise<never> => {
      throw new QuorateError('E_PASSPHRASE', 'no passphrase', 'give one')
    }
    const { signal } = new AbortController()
    try {
      const joined = join({ home, definition, check: false, progress, signal, passphrase: wrong })
      await expect(joined).rejects.toMatchObject({ code: 'E_PASSPHRASE' })
      expect(handed).toEqual([])
    } finally {
      await owner.release()
    }
  })

  it('can be stopped while the passphrase is asked for', async () => {
    const stop = new AbortController()
    const asked = async (): Promise<never> => {
      stop.abort()
      return never()
    }
    const joined = join({ home, definition, check: false, progress, signal: stop.signal, passphrase: asked })
    await expect(joined).rejects.toMatchObject({ code: 'E_STOPPED' })
  })
})
