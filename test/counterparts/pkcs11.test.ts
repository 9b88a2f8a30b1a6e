import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KmsContext, KmsKey } from '../../src/kms/port.ts'
import { ensureKmsKey, openKmsKey, parseKmsSlot } from '../../src/kms/registry.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { kmsComplies } from '../compliance/kms.ts'
import { Group, newFolder, type RunningRelay, serveRelay } from '../e2e/support.ts'
import { quorate } from '../support/cli.ts'
import { seededRandom } from '../support/random.ts'
import { absent } from './installed.ts'
import { MODULE, PIN, type SoftHsm, startSoftHsm } from './softhsm.ts'

const context = 'ab'.repeat(32) as Hash
const bytes = new Uint8Array(32).fill(9)
const piece = () => new Secret(bytes.slice())
const named = (attributes: string, module = MODULE): string => `pkcs11:${attributes}?module-path=${module}`

const OTHER_PIN = '161803'

const gone = absent('softhsm')

describe.skipIf(gone !== undefined)(gone ?? 'pkcs11 at SoftHSM', () => {
  const regions = ['region-eu', 'region-us', 'region-ap']
  let hsm: SoftHsm
  let work: ReturnType<typeof newFolder>
  const before = process.env['SOFTHSM2_CONF']
  const begin = (): void => {
    work = newFolder('pkcs11')
    hsm = startSoftHsm(regions)
    for (const region of regions) hsm.key(region, 'quorate', '01')
    process.env['SOFTHSM2_CONF'] = hsm.env['SOFTHSM2_CONF']
  }
  const end = (): void => {
    hsm?.remove()
    work?.remove()
    if (before === undefined) delete process.env['SOFTHSM2_CONF']
    else process.env['SOFTHSM2_CONF'] = before
  }

  const machine = (more: Partial<KmsContext> = {}): KmsContext => ({
    home: '/nowhere',
    random: seededRandom('pkcs11'),
    environment: { QUORATE_PKCS11_PIN: PIN },
    ...more,
  })
  const keyAt = (attributes: string, more: Partial<KmsContext> = {}): Promise<KmsKey> =>
    openKmsKey(parseKmsSlot(named(attributes)), machine(more))
  const refused = async (work: Promise<unknown>, code: string, message: RegExp): Promise<void> => {
    await expect(work).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  }
  const wrapAt = async (attributes: string, more: Partial<KmsContext> = {}) =>
    (await keyAt(attributes, more)).wrap(piece(), context)

  describe('one set of tokens', () => {
    beforeAll(begin)
    afterAll(end)
    kmsComplies('a key of SoftHSM', async () => ({
      open: async () => [await keyAt('token=region-eu;object=quorate'), await keyAt('token=region-us;id=%01')] as const,
      refusals: ['E_KMS_DENIED'],
    }))
  })

  describe('tokens of each test', () => {
    beforeEach(begin)
    afterEach(end)

    it('names the token that sealed, and what it is', async () => {
      const key = await keyAt('token=region-eu;object=quorate')
      expect(key.can).toEqual({
        context: true,
        hardware: false,
        protection: "pkcs11: a token (SoftHSM v2), not in hardware by its module's word",
      })
      const { version } = await key.wrap(piece(), context)
      expect(hsm.list()).toContain(version)
      const bySerial = await keyAt(`serial=${version};manufacturer=SoftHSM%20project;model=SoftHSM%20v2;id=%01`)
      expect((await bySerial.unwrap(await key.wrap(piece(), context), context)).reveal()).toEqual(bytes)
      expect(await ensureKmsKey(parseKmsSlot(named('token=region-eu;object=none')), machine())).toBe(false)
    })

    it('opens nothing in another region, and no flipped bit of nonce, ciphertext or tag', async () => {
      const wrapped = await wrapAt('token=region-eu;object=quorate')
      const there = await keyAt('token=region-us;object=quorate')
      await refused(there.unwrap(wrapped, context), 'E_KMS_DENIED', /does not open this piece \(CKR_/)
      const key = await keyAt('token=region-eu;object=quorate')
      for (let bit = 0; bit < wrapped.ciphertext.length * 8; bit++) {
        const ciphertext = wrapped.ciphertext.slice()
        ciphertext[bit >> 3] = (ciphertext[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await refused(key.unwrap({ ...wrapped, ciphertext }, context), 'E_KMS_DENIED', /does not open this piece/)
      }
      for (const length of [0, 12, 28, 59, 5000])
        await refused(
          key.unwrap({ ...wrapped, ciphertext: new Uint8Array(length) }, context),
          'E_KMS_DENIED',
          /does not open this piece/,
        )
      expect((await key.unwrap(wrapped, context)).reveal()).toEqual(bytes)
    })

    it('shows a wrong PIN once, and says what it costs', async () => {
      const wrong = { environment: { QUORATE_PKCS11_PIN: '000000' } }
      const key = await keyAt('token=region-eu;object=quorate', wrong)
      await refused(key.wrap(piece(), context), 'E_KMS_DENIED', /does not take this PIN \(CKR_PIN_INCORRECT\)$/)
      expect(hsm.list().match(/PIN count low/g)).toHaveLength(1)
      // Someone logs in, and the next wrong one would be counted anew.
      await wrapAt('token=region-eu;object=quorate')
      expect(hsm.list()).not.toMatch(/PIN count low/)
      for (const again of [key, await keyAt('token=region-eu;id=%01', wrong)])
        await refused(again.wrap(piece(), context), 'E_KMS_DENIED', /was wrong before, and is not tried again/)
      expect(hsm.list()).not.toMatch(/PIN count low/)
    })

    it('takes the PIN of the token, of all tokens, or the KMS passphrase, and asks for that once', async () => {
      let asked = 0
      const passphrase = async () => {
        asked++
        return new Secret(utf8(PIN))
      }
      const key = await keyAt('token=region-eu;object=quorate', { environment: {}, passphrase })
      await key.unwrap(await key.wrap(piece(), context), context)
      expect(asked).toBe(1)
      const own = { QUORATE_PKCS11_PIN: 'not this', QUORATE_PKCS11_PIN_REGION_EU: PIN }
      await wrapAt('token=region-eu;object=quorate', { environment: own, passphrase })
      expect(asked).toBe(1)
      await refused(wrapAt('token=region-eu;id=%01', { environment: {} }), 'E_PASSPHRASE', /lies behind a PIN$/)
      const noText = { environment: {}, passphrase: async () => new Secret(Uint8Array.of(0xff, 0x31)) }
      await refused(wrapAt('token=region-eu;id=%01', noText), 'E_PASSPHRASE', /a PIN, which is text of at most/)
      for (const odd of ['9'.repeat(256), '1'])
        await refused(
          wrapAt('token=region-eu;id=%01', { environment: { QUORATE_PKCS11_PIN: odd } }),
          odd === '1' ? 'E_KMS_DENIED' : 'E_PASSPHRASE',
          /PIN/,
        )
    })

    it('says which of module, token and key is not there', async () => {
      await refused(
        wrapAt('token=region-eu;object=sitf'),
        'E_KMS_UNAVAILABLE',
        /is not there \(its token has no secret/,
      )
      await refused(keyAt('token=region-xx;object=quorate'), 'E_KMS_UNAVAILABLE', /is not there \(its module sees no/)
      const at = (module: string) => openKmsKey(parseKmsSlot(named('token=a;object=b', module)), machine())
      await refused(at(join('/nowhere', 'x.so')), 'E_KMS_UNAVAILABLE', /is not there \(there is no module/)
      await refused(at('/usr/bin'), 'E_KMS_UNAVAILABLE', /is not there \(there is no module/)
      await refused(at('/etc/passwd'), 'E_KMS_UNAVAILABLE', /takes no such request/)
      const open = join(work.path, 'open.so').replaceAll(' ', '%20')
      copyFileSync(MODULE, join(work.path, 'open.so'))
      chmodSync(join(work.path, 'open.so'), 0o666)
      await refused(at(open), 'E_KMS_UNAVAILABLE', /other users of this machine may write its module/)
    })

    it('refuses a name that fits two keys or two tokens', async () => {
      hsm.key('region-eu', 'quorate', '02')
      await refused(wrapAt('token=region-eu;object=quorate'), 'E_KMS_UNAVAILABLE', /is not one key .*add id=/)
      await wrapAt('token=region-eu;object=quorate;id=%02')
      hsm.token('region-eu')
      await refused(keyAt('token=region-eu;id=%01'), 'E_KMS_UNAVAILABLE', /is not one key \(2 tokens .*add serial=/)
    })

    it.each([
      ['that may leave its token', ['AES:32', '--sensitive', '--private', '--extractable'], /CKA_EXTRACTABLE is true/],
      ['that shows itself', ['AES:32', '--private'], /CKA_SENSITIVE is false/],
      ['that anybody may use without a PIN', ['AES:32', '--sensitive'], /CKA_PRIVATE is false/],
      ['that is too short', ['AES:16', '--sensitive', '--private'], /not an AES key of 256 bits/],
      ['of another kind', ['GENERIC:32', '--sensitive', '--private'], /not an AES key of 256 bits/],
    ])('refuses a key %s', async (_, [type = '', ...options], message) => {
      hsm.key('region-eu', 'odd', '07', ['--key-type', type, '--usage-decrypt', ...options])
      await refused(wrapAt('token=region-eu;object=odd'), 'E_KMS_UNAVAILABLE', message)
    })

    it('works where several keys of one module are used at once', async () => {
      const all = await Promise.all(regions.map((region) => keyAt(`token=${region};object=quorate`)))
      const opened = await Promise.all(
        all.map(async (key) => (await key.unwrap(await key.wrap(piece(), context), context)).reveal()),
      )
      expect(opened).toEqual(regions.map(() => bytes))
    })
  })

  describe('the command line', () => {
    let relay: RunningRelay
    let group: Group
    beforeAll(async () => {
      begin()
      relay = await serveRelay()
      const env = { ...hsm.env, QUORATE_PKCS11_PIN: PIN, QUORATE_PKCS11_PIN_VAULT_EU: OTHER_PIN }
      const key = (site: string) => ({ kms: named(`token=region-${site};object=quorate`), env })
      group = new Group(work.path, ['eu', 'us', 'ap'], { eu: key('eu'), us: key('us'), ap: key('ap') })
      await group.create()
    })
    afterAll(async () => {
      await relay?.stop()
      end()
    })

    const planned = async (out: string, cards: readonly string[]): Promise<string> => {
      const made = await group.run(
        'eu',
        ...['keygen', 'plan', '--name', 'treasury', '--protocol', 'frost-ed25519', '--threshold', '2'],
        ...cards.flatMap((card) => ['--site', group.path(card)]),
        ...['--relay', relay.address, '--out', out],
      )
      expect(made.code, made.stdout + made.stderr).toBe(0)
      return made.document.ceremony
    }

    const approve = async (topic: 'keygen' | 'rotate', site: string, file: string, ceremony: string): Promise<void> => {
      const approved = await group.run(site, topic, 'approve', '--definition', file, '--confirm', ceremony)
      expect(approved.code, approved.stderr).toBe(0)
    }
    const joinAll = async (topic: 'keygen' | 'rotate', file: string): Promise<void> => {
      for (const ran of await Promise.all(group.names.map((name) => group.join(name, topic, file).ended))) {
        expect(ran.code, ran.stdout + ran.stderr).toBe(0)
        expect(ran.document).toMatchObject({ state: 'closed', open: [] })
        for (const pin of [PIN, OTHER_PIN]) expect(ran.stdout + ran.stderr).not.toContain(pin)
      }
    }

    it('makes a key whose shares lie under three tokens, and ends when it is done', async () => {
      const ceremony = await planned('treasury.yaml', ['eu.card', 'us.card', 'ap.card'])
      for (const name of group.names) await approve('keygen', name, 'treasury.yaml', ceremony)
      await joinAll('keygen', 'treasury.yaml')
    })

    it('moves a share to a token with another PIN, and shows no PIN to the wrong one', async () => {
      hsm.token('vault-eu', OTHER_PIN)
      hsm.key('vault-eu', 'quorate', '01')
      group.write('eu/site.yaml', group.read('eu/site.yaml').replace('token=region-eu', 'token=vault-eu'))
      const made = await group.run('eu', 'rotate', 'rewrap', '--key', 'treasury', '--out', 'rewrap.yaml')
      expect(made.code, made.stdout + made.stderr).toBe(0)
      await approve('rotate', 'eu', 'rewrap.yaml', made.document.ceremony)
      await joinAll('rotate', 'rewrap.yaml')
      expect(hsm.list()).not.toMatch(/PIN count low/)
      group.write('eu/site.yaml', group.read('eu/site.yaml').replace('token=vault-eu', 'token=region-eu'))
    })

    it('asks its own key, and says what is wrong with it', async () => {
      const asked = await quorate(['kms', 'doctor'], group.as('eu'))
      expect(asked.code, asked.stdout + asked.stderr).toBe(0)
      expect(asked.stdout).toMatch(/seals +version [0-9a-f]{16} +ok[\s\S]*opens .* ok[\s\S]*bound +to one shard +ok/)
      writeFileSync(group.path('pin'), `${PIN}\n`)
      const file = ['kms', 'doctor', '--kms-passphrase-file', group.path('pin')]
      expect((await quorate(file, group.as('eu', { QUORATE_PKCS11_PIN: '' }))).code).toBe(0)
      const wrong = await quorate(['kms', 'doctor', '--json'], group.as('eu', { QUORATE_PKCS11_PIN: '000000' }))
      expect(JSON.parse(wrong.stdout).keys[0].checks.map(({ state }: { state: string }) => state)).toEqual([
        'failed',
        'left',
        'left',
      ])
      expect(wrong.stdout).toContain('look for the right PIN')
      expect(wrong.stdout + wrong.stderr).not.toContain('000000')
      expect((await quorate(['kms', 'doctor'], group.as('eu'))).code).toBe(0)
    })

    it('shows no PIN to a token that only another site names, and loads no module of it', async () => {
      const trap = join(work.path, 'trap.so')
      const source = `#include <stdio.h>\n__attribute__((constructor)) void f(void) { fclose(fopen("loaded", "w")); }\n`
      execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', trap, '-'], { input: source })
      const kms = named('token=mallory;object=quorate', trap.replaceAll(' ', '%20'))
      const made = await group.run(
        'mallory',
        ...['identity', 'create', '--name', 'mallory', '--kms', kms, '--jurisdiction', 'XX', '--control', 'mallory'],
        ...['--no-passphrase', '--home', group.path('mallory')],
      )
      expect(made.code, made.stdout + made.stderr).toBe(0)
      const card = await quorate(['identity', 'card', '--home', group.path('mallory')], group.as('mallory'))
      writeFileSync(group.path('mallory.card'), card.stdout)
      await planned('other.yaml', ['eu.card', 'us.card', 'mallory.card'])
      // Whatever it is, the PIN of eu is a wrong one at the token of us.
      const asked = await quorate(['kms', 'doctor', '--definition', 'other.yaml', '--json'], group.as('eu'))
      expect(asked.code, asked.stdout + asked.stderr).toBe(0)
      const said = JSON.parse(asked.stdout).keys.slice(1) as { checks: { state: string; said: string }[] }[]
      expect(said.map(({ checks: [check] }) => [check?.state, check?.said])).toEqual([
        ['left', expect.stringMatching(/^not asked: none of .* at token=region-us of .*libsofthsm2\.so/)],
        ['left', expect.stringMatching(/^not asked: none of .* at token=mallory of .*trap\.so/)],
      ])
      expect(existsSync(join(work.path, 'loaded'))).toBe(false)
      // The trap itself works.
      const sprung = await quorate(['kms', 'doctor'], group.as('mallory', { QUORATE_HOME: group.path('mallory') }))
      expect(sprung.code).toBe(1)
      expect(existsSync(join(work.path, 'loaded'))).toBe(true)
    })
  })
})
