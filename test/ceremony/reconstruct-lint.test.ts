import { beforeAll, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/ceremony/definition/finding.ts'
import { lint } from '../../src/ceremony/definition/lint.ts'
import { type KeyBase, lintGiven } from '../../src/ceremony/definition/lint-key.ts'
import { planReconstruct } from '../../src/ceremony/definition/plan.ts'
import { identityOf, parseIdentity } from '../../src/identity/identity.ts'
import type { Hash, Identity, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { definitionCodec } from '../../src/records/definition.ts'
import { definitionYaml, readDefinition } from '../../src/records/definition-yaml.ts'
import type { ReconstructDefinition } from '../../src/records/kinds/reconstruct.ts'
import { keygenDefinition, pinnedRelays, reconstructDefinition } from '../support/definition.ts'
import { seededRandom } from '../support/random.ts'
import { ageRecipient, certificateRecipient } from '../support/recipients.ts'

let sound: ReconstructDefinition
beforeAll(async () => {
  sound = await reconstructDefinition({ relays: pinnedRelays })
})

const said = (findings: readonly Finding[]): string[] =>
  findings.flatMap(({ level, rule, place }) => (rule === 'long-window' ? [] : [`${level} ${rule} ${place}`]))
const LOUD = 'warning whole-key recipients'
const approverOf = (identity: Identity): Identity => identityOf('approver', parseIdentity(identity)?.key as KeyHex)
const names = (...list: string[]): SiteId[] => list as SiteId[]

describe('a definition that gives a key away', () => {
  it('is loud where nothing is wrong with it, and reads as it was written', async () => {
    expect(said(lint(sound))).toEqual([LOUD])
    expect(await readDefinition(definitionYaml(sound))).toEqual(sound)
  })

  it.each<[string, () => Partial<ReconstructDefinition>, string]>([
    [
      'an approver who is a site of the key, under the other role',
      () => ({ approvers: [approverOf(sound.sites[1]?.identity as Identity), ...sound.approvers].sort() }),
      'duplicate-identity',
    ],
    ['a giver that is no site', () => ({ givers: names('eu', 'xx') }), 'error giver givers[1]'],
    ['givers in another order', () => ({ givers: names('us', 'eu') }), 'error giver-order givers[1]'],
    ['a giver twice', () => ({ givers: names('eu', 'eu') }), 'error giver-order givers[1]'],
    ['fewer givers than the threshold', () => ({ threshold: 3, givers: names('eu', 'us') }), 'error givers givers'],
    ['no spare giver', () => ({ givers: names('eu', 'us') }), 'warning no-spare-giver givers'],
    [
      'too few shares',
      () => ({ of: { ...sound.of, verifyingShares: sound.of.verifyingShares.slice(1) } }),
      'error key-shares of.verifyingShares',
    ],
    [
      'a recipient that is none',
      () => ({ recipients: [certificateRecipient('court', 'rsa2048.crt')] }),
      'error recipient recipients[0]',
    ],
    [
      'two recipients of one name',
      () => ({ recipients: [ageRecipient('a'), ageRecipient('a', 'other-age.txt')] }),
      'error recipient-name recipients[1].name',
    ],
    [
      'one recipient under two names',
      () => ({ recipients: [ageRecipient('a'), ageRecipient('b')] }),
      'error recipient-again recipients[1]',
    ],
  ])('is not silent about %s', (_, change, finding) => {
    expect(said(lint({ ...sound, ...change() })).join('\n')).toContain(finding)
  })

  it.each<[string, () => object]>([
    ['one approver', () => ({ approvers: sound.approvers.slice(1) })],
    ['no approver', () => ({ approvers: [] })],
    ['no recipient', () => ({ recipients: [] })],
    ['nine recipients', () => ({ recipients: Array.from({ length: 9 }, (_, n) => ageRecipient(`r${n}`)) })],
    ['no reason', () => ({ reason: '' })],
    ['a reason of two lines', () => ({ reason: 'one\ntwo' })],
    ['a long reason', () => ({ reason: 'x'.repeat(281) })],
    ['one giver', () => ({ givers: names('eu') })],
    ['a recipient of another form', () => ({ recipients: [{ form: 'pgp', name: 'x', recipient: 'x' }] })],
    ['an age recipient of another sort', () => ({ recipients: [{ ...ageRecipient(), recipient: 'age1pq1qq' }] })],
    ['a certificate of 9 KB', () => ({ recipients: [{ form: 'x509', name: 'x', certificate: 'A'.repeat(12_288) }] })],
    ['a certificate that is no base64', () => ({ recipients: [{ form: 'x509', name: 'x', certificate: 'QQ=' }] })],
    ['base64 with bits left over', () => ({ recipients: [{ form: 'x509', name: 'x', certificate: 'QUJD QUJ=' }] })],
    ['no base', () => ({ base: null })],
  ])('does not decode with %s', (_, change) => {
    expect(() => definitionCodec.encode({ ...sound, ...change() } as never)).toThrow()
  })
})

describe('a plan that gives a key away', () => {
  const base = async (): Promise<KeyBase> => ({
    definition: await keygenDefinition({ relays: pinnedRelays }),
    key: sound.key,
    record: sound.base as Hash,
    epoch: 1,
    ...sound.of,
  })
  const plan = async (changes: object = {}) =>
    planReconstruct(
      {
        key: await base(),
        window: sound.window,
        approvers: sound.approvers,
        recipients: sound.recipients,
        reason: 'gone',
        without: [],
        ...changes,
      },
      seededRandom('plan'),
    )

  it('takes the sites of the key, its quorum, record and name, and all of them give', async () => {
    const { definition, findings } = await plan()
    const { nonce, ...rest } = definition
    const { nonce: _, reason, ...wanted } = sound
    expect(rest).toEqual({ ...wanted, reason: 'gone' })
    expect([reason, nonce.length]).toEqual(['the vendor is gone', 32])
    expect(said(findings)).toEqual([LOUD])
  })

  it('leaves out whom it is told to, and warns where none is to spare', async () => {
    const { definition, findings } = await plan({ without: names('us') })
    expect(definition.givers).toEqual(['eu', 'ap'])
    expect(said(findings)).toEqual(['warning no-spare-giver givers', LOUD])
  })

  it.each<[string, object]>([
    ['no approvers', { approvers: [] }],
    ['no recipients', { recipients: [] }],
    ['a reason of two lines', { reason: 'a\nb' }],
  ])('is refused with %s', async (_, changes) => {
    await expect(plan(changes)).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  it('is refused at a site that knows the key otherwise', async () => {
    const own = await base()
    const other = 'ff'.repeat(32)
    expect(said(lintGiven(sound, own))).toEqual([])
    const key = { key: other as Hash }
    const record = { record: other as Hash }
    const shares = { publicKey: other }
    expect([key, record, shares].map((change) => said(lintGiven(sound, { ...own, ...change })))).toEqual([
      ['error key key'],
      ['error base base'],
      ['error key-shares of'],
    ])
    const fewer = { ...sound, of: { ...sound.of, verifyingShares: sound.of.verifyingShares.slice(1) } }
    expect(said(lintGiven(fewer, own))).toEqual(['error key-shares of'])
    expect(said(lintGiven({ ...sound, threshold: 3 }, own))).toEqual(['error key-threshold threshold'])
  })
})
