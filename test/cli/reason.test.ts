import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askOwner } from '../../src/host/run-socket.ts'
import { ceremonyId } from '../../src/records/definition.ts'
import { reasonGiven } from '../../src/site/abort-reason.ts'
import { makeHomes, planKeygenIn } from '../faults/homes.ts'
import { spawnQuorate, spawnRelay } from '../faults/spawned.ts'
import { built, quorate } from '../support/cli.ts'

const refused = (text: string): unknown => {
  try {
    return reasonGiven(text)
  } catch (error) {
    return (error as { code?: string }).code
  }
}

describe('the reason of an abort', () => {
  test.each([
    ['wrong payee', 'wrong payee'],
    ['cafe\u0301', 'caf\u00e9'],
    ['\u{1f44d}', '\u{1f44d}'],
    ['x'.repeat(280), 'x'.repeat(280)],
  ])('%j goes into the note', (text, spelled) => {
    expect(refused(text)).toBe(spelled)
  })

  test.each(['', 'x'.repeat(281), 'a\tb', 'a\nb', '\u{1f468}\u200d\u{1f469}', '\u202e', '\ud800', '\ufeffbom'])(
    '%j is a usage fault',
    (text) => {
      expect(refused(text)).toBe('E_USAGE')
    },
  )
})

describe('a reason that no note can carry', () => {
  let homes: Awaited<ReturnType<typeof makeHomes>>
  let relay: Awaited<ReturnType<typeof spawnRelay>>
  beforeAll(async () => {
    await built()
    homes = await makeHomes(['eu', 'us'])
    relay = await spawnRelay()
  })
  afterAll(async () => {
    await relay.kill()
    await rm(homes.root, { recursive: true, force: true })
  })

  test('is refused before anything is asked, and by a join that another program asks; the join goes on', async () => {
    const deadlines = { gather: 300, proposal: 5, round: 8, close: 8 }
    const definition = await planKeygenIn(homes, ['eu', 'us'], [relay.url], deadlines)
    const file = ['--definition', `${homes.folder}/keygen.yaml`]
    const ran = await quorate(['keygen', 'abort', '--home', homes.home('eu'), ...file, '--reason', 'a\tb', '--json'])
    expect([ran.code, JSON.parse(ran.stdout).error.code]).toEqual([2, 'E_USAGE'])
    const join = spawnQuorate(['keygen', 'join', '--home', homes.home('eu'), ...file])
    const ask = (reason: string) =>
      askOwner(homes.home('eu'), { do: 'abort', ceremony: ceremonyId(definition), reason }).catch(() => undefined)
    let answer = await ask('a\tb')
    // No owner yet, or one that is just opening the home.
    while (answer === undefined || (!answer.ok && answer.code === 'E_HOME_BUSY')) answer = await ask('a\tb')
    expect(answer).toMatchObject({ ok: false, code: 'E_USAGE' })
    expect(join.process.exitCode).toBe(null)
    expect(await ask('wrong payee')).toMatchObject({ ok: true })
    expect((await join.ended).document).toMatchObject({ error: { code: 'E_ABORTED' } })
  })
})
