import { createPublicKey, verify } from 'node:crypto'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Hash } from '../../src/lib/brand.ts'
import { fromHex } from '../../src/lib/bytes.ts'
import { suiteOf } from '../../src/mpc/frost/suite.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { planNewEmergency } from '../../src/site/emergency.ts'
import { listKeys, showKey } from '../../src/site/keys.ts'
import { kmsKeysOf } from '../../src/site/kms-keys.ts'
import { openKeyFile } from '../../src/site/open-key.ts'
import { planReadmission } from '../../src/site/plan-readmit.ts'
import { planReconstruction } from '../../src/site/plan-reconstruct.ts'
import { planRewrapping } from '../../src/site/plan-rewrap.ts'
import { planRecovery, planRotation } from '../../src/site/planning.ts'
import { built } from '../support/cli.ts'
import {
  approversApproveIn,
  cardOf,
  makeApprover,
  makeHomes,
  planKeygenIn,
  planOfKeyIn,
  planSignIn,
  type RealHomes,
} from './homes.ts'
import { deadlines, type End, joinCalmly, type KillRow, killing, type Played } from './kill.ts'

/** Each kind that builds on a key: killed at a barrier and joined again it ends, and the key is as it has to be. */

const names = ['eu', 'us', 'ap']
/** It holds no share of the key. */
const fresh = 'sa'
const approvers = ['n1', 'n2']
const age = fileURLToPath(new URL('../support/recipients/age.txt', import.meta.url))

const rejoins = ['join at once', 'join later'] as const

/** True where OpenSSL takes an Ed25519 signature. */
const verifies = (publicKey: string, message: Uint8Array, signature: string): boolean => {
  const x = Buffer.from(publicKey, 'hex').toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, message, key, Buffer.from(signature, 'hex'))
}

describe('kill -9 of a site at a barrier', () => {
  let homes: RealHomes & { readonly root: string }
  let keyed: RealHomes
  /** Homes of the key, of which one is as it was before the others last saw it. */
  let wentBack: RealHomes
  let key: { readonly id: Hash; readonly publicKey: string }
  let identities: readonly string[]
  let kills: Awaited<ReturnType<typeof killing>>

  beforeAll(async () => {
    await built()
    homes = await makeHomes([...names, fresh])
    identities = await Promise.all(approvers.map((name) => makeApprover(homes, name)))
    kills = await killing(homes.root)
    keyed = await homes.copy('keyed')
    await planKeygenIn(keyed, names, [kills.relay()], deadlines)
    const [made] = await joinCalmly(keyed, { kind: 'keygen', topic: 'keygen' }, names)
    key = made?.document?.['key'] as typeof key
    wentBack = await keyed.copy('went-back')
    await planSignIn(wentBack, names, key.id, [kills.relay()], deadlines, true)
    await joinCalmly(wentBack, { kind: 'sign', topic: 'sign' }, names)
    await rm(wentBack.home('ap'), { recursive: true })
    await cp(keyed.home('ap'), wentBack.home('ap'), { recursive: true })
  })
  afterAll(async () => {
    await kills.close()
    await rm(homes.root, { recursive: true, force: true })
  })

  /** These two sign with it, by processes of their own. */
  const signs = async ({ homes: at, relay }: Played, by: readonly string[], { id, publicKey } = key): Promise<void> => {
    await planSignIn(at, by, id, [relay], deadlines)
    const ends = await joinCalmly(at, { kind: 'sign', topic: 'sign' }, by)
    const message = await readFile(join(at.folder, 'message.txt'))
    for (const { document } of ends) expect(verifies(publicKey, message, document?.['signature'] as string)).toBe(true)
  }

  /** These hold a usable share of it by their own homes, in an epoch of this number. */
  const held = async ({ homes: at }: Played, by: readonly string[], epoch: number, { id, publicKey } = key) => {
    for (const name of by)
      expect(await showKey(at.home(name), id)).toMatchObject({ publicKey, state: 'installed', epoch })
  }

  const keyIn = ({ document }: End) => document?.['key']
  const saysKey = ({ ends }: Played, made = key): void => {
    for (const end of ends.values()) expect(keyIn(end)).toMatchObject(made)
  }

  const reshare: KillRow = {
    ...{ kind: 'reshare', topic: 'rotate', who: [...names, fresh], nexts: rejoins, step: 6 },
    async plan(to, relay) {
      const at = await keyed.copy(to)
      const cards = await Promise.all(['eu', 'us', fresh].map((name) => cardOf(at, name)))
      const definition = await planOfKeyIn(at, reshare.who, key.id, [relay], deadlines, (flags) =>
        planRotation({ ...flags, to: { cards, threshold: undefined, without: [] } }, Date.now()),
      )
      return { homes: at, definition }
    },
    async check(played) {
      saysKey(played)
      await held(played, ['eu', 'us', fresh], 2)
      expect(await showKey(played.homes.home('ap'), key.id)).toMatchObject({ state: 'retired' })
      await signs(played, ['us', fresh])
    },
  }

  const repair: KillRow = {
    ...{ kind: 'repair', topic: 'recover', who: ['eu', 'us', fresh], nexts: rejoins, step: 6 },
    async plan(to, relay) {
      const at = await keyed.copy(to)
      const card = await cardOf(at, fresh)
      const definition = await planOfKeyIn(at, repair.who, key.id, [relay], deadlines, (flags) =>
        planRecovery({ ...flags, lost: 'ap', to: card, helpers: [] }, Date.now()),
      )
      return { homes: at, definition }
    },
    async check(played) {
      saysKey(played)
      await held(played, repair.who, 2)
      await signs(played, ['us', fresh])
    },
  }

  const emergency: KillRow = {
    ...{ kind: 'emergency', topic: 'rotate', who: ['eu', 'us', fresh], nexts: rejoins, step: 6 },
    async plan(to, relay) {
      const at = await keyed.copy(to)
      const cards = await Promise.all(emergency.who.map((name) => cardOf(at, name)))
      const of = { name: undefined, threshold: undefined, sweepUntil: undefined, reason: 'in doubt', to: cards }
      const definition = await planOfKeyIn(at, emergency.who, key.id, [relay], deadlines, (flags) =>
        planNewEmergency({ ...flags, ...of, key: key.id }, Date.now()),
      )
      return { homes: at, definition }
    },
    async check(played) {
      const [first] = played.ends.values()
      const made = keyIn(first as End) as typeof key
      expect(made.id).not.toBe(key.id)
      expect(made.publicKey).not.toBe(key.publicKey)
      saysKey(played, made)
      await held(played, emergency.who, 1, made)
      for (const name of ['eu', 'us']) {
        const { keys } = await listKeys(played.homes.home(name))
        const old = keys.find((one) => one.key === key.id)
        expect([old?.fenced, old?.suspended?.reason]).toEqual([expect.any(String), 'in doubt'])
      }
      await signs(played, ['us', fresh], made)
    },
  }

  const rewrap: KillRow = {
    ...{ kind: 'rewrap', topic: 'rotate', who: names, nexts: rejoins, step: 4 },
    async plan(to, relay) {
      const at = await keyed.copy(to)
      // A key of its own: cases run side by side, and share the folder of KMS keys.
      const card = join(at.home('eu'), 'site.yaml')
      await writeFile(card, (await readFile(card, 'utf8')).replace('eu.key', `eu-${to}.key`))
      const definition = await planOfKeyIn(at, ['eu'], key.id, [relay], deadlines, (flags) =>
        planRewrapping({ ...flags, witnesses: [] }, Date.now()),
      )
      return { homes: at, definition }
    },
    async check(played) {
      saysKey(played)
      await held(played, names, 1)
      const { moved, lies } = await kmsKeysOf(played.homes.home('eu'), key.id)
      expect([moved, lies]).toEqual([false, [expect.objectContaining({ key: expect.stringContaining('eu-rewrap') })]])
      await signs(played, ['eu', 'us'])
    },
  }

  const readmit: KillRow = {
    ...{ kind: 'readmit', topic: 'recover', who: names, nexts: rejoins, step: 4 },
    async plan(to, relay) {
      const at = await wentBack.copy(to)
      const definition = await planOfKeyIn(at, ['ap', 'eu', 'us'], key.id, [relay], deadlines, (flags) =>
        planReadmission({ ...flags, reason: 'the disk was restored', without: [] }, Date.now()),
      )
      return { homes: at, definition }
    },
    async check(played) {
      for (const end of played.ends.values()) expect(keyIn(end)).toBe(null)
      await held(played, names, 1)
      await signs(played, ['us', 'ap'])
    },
  }

  const reconstruct: KillRow = {
    ...{ kind: 'reconstruct', topic: 'recover', who: names, nexts: rejoins, step: 4 },
    async plan(to, relay) {
      const at = await keyed.copy(to)
      const [recipient] = /age1\S+/.exec(await readFile(age, 'utf8')) ?? []
      const of = { recipients: [`counsel=${recipient}`], reason: 'the vendor is gone', without: [] }
      const definition = await planOfKeyIn(at, names, key.id, [relay], deadlines, (flags) =>
        planReconstruction({ ...flags, ...of, approvers: identities, read: async () => expect.fail() }, Date.now()),
      )
      await approversApproveIn(at, approvers, names, definition)
      return { homes: at, definition }
    },
    async check(played) {
      saysKey(played)
      await held(played, names, 1)
      const bundle = [...played.ends.values()][0]?.document?.['bundle'] as string
      const identity = new Uint8Array(await readFile(age))
      const opened = await openKeyFile({ bundle, identity, trust: undefined, trustStated: true })
      await loadScheme(opened.protocol)
      const { group } = suiteOf(opened.protocol)
      const scalar = group.field.decode(opened.secret.reveal()) ?? expect.fail('no scalar')
      expect(group.encode(group.timesBase(scalar))).toEqual(fromHex(key.publicKey))
      opened.secret.wipe()
      await signs(played, ['eu', 'us'])
    },
  }

  const all = [reshare, repair, emergency, rewrap, readmit, reconstruct]
  it(`of a ${all.map(({ kind }) => kind).join(', ')}: whoever joins again ends, and the key signs as it has to`, () =>
    kills.playAll(...all))
})
