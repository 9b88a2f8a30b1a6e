import * as v from 'valibot'
import type { Identity, SiteId } from '../lib/brand.ts'
import { fromHex, fromUtf8, toHex, utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Disk, Random } from '../lib/ports.ts'
import { Secret } from '../lib/secret.ts'
import { DecodeError, jsonCodec } from '../records/codec.ts'
import { siteEntry } from '../records/definition-fields.ts'
import { hexOf, identity as identityField, siteId } from '../records/fields.ts'
import type { Card, Certificate } from '../records/identity.ts'
import { openUnder, passphraseSealed, sealUnder } from '../records/passphrase-box.ts'
import type { Signed } from '../records/signed.ts'
import { decodeYaml, encodeYaml } from '../records/yaml.ts'
import { certify, readCertificate } from './certificate.ts'
import { toEnvelope } from './dsse.ts'
import { publicKeyOf, type RawSigner, rawSigner } from './ed25519.ts'
import { identityOf, parseIdentity, type Role } from './identity.ts'
import { type IdentityKey, identityKey } from './identity-key.ts'

/** Purposes whose keys are made with the home and live as long. */
const homePurposes = ['log', 'cosign', 'note'] as const
type HomePurpose = (typeof homePurposes)[number]

const plainConfig = v.strictObject({ name: siteId, identity: identityField })
/** The contents of site.yaml: at a site its card, elsewhere a name and an identity. */
export type HomeConfig = Card | v.InferOutput<typeof plainConfig>

export interface Home {
  readonly disk: Disk
  readonly identity: Identity
  readonly role: Role
  /** The identity key lies under a passphrase. */
  readonly locked: boolean
  /** Keys that need no passphrase. */
  readonly keys: Readonly<Record<HomePurpose, RawSigner>>
  readonly certificates: Readonly<Record<HomePurpose, Signed<Certificate>>>
  /** Mixed into all secret randomness of a ceremony: a weak system generator alone repeats nothing. */
  readonly hedge: Secret
  /** Reads site.yaml anew. Throws E_HOME. */
  config(): Promise<HomeConfig>
  /** Returns this machine's card. Throws E_HOME where the home is not a site's. */
  card(): Promise<Card>
  /** Throws E_PASSPHRASE where a passphrase is needed and missing, or is wrong. */
  unlock(passphrase?: Secret): Promise<IdentityKey>
}

export type NewHome = { readonly name: SiteId; readonly passphrase?: Secret } & (
  | { readonly role: 'approver' | 'relay' }
  | ({ readonly role: 'site' } & Pick<Card, 'kms' | 'stores' | 'jurisdiction' | 'control'>)
)

const CONFIG = 'site.yaml'
const CONFIG_TYPE = 'site/v1'
const CONFIG_LIMIT = 65_536
const IDENTITY = 'identity'
const HEDGE = 'hedge'
const keyPath = (purpose: HomePurpose): string => `purpose/${purpose}.key`
const certificatePath = (purpose: HomePurpose): string => `purpose/${purpose}.dsse`

const identityFile = jsonCodec(
  'identity-key/v1',
  v.strictObject({ identity: identityField, key: v.union([hexOf(32, 32), passphraseSealed]) }),
  4096,
)
const sealLabel = (identity: Identity): string => `quorate identity key of ${identity}`

const damaged = (path: string, cause?: unknown): QuorateError =>
  new QuorateError(
    'E_HOME',
    `${path} is ${cause === undefined ? 'missing from this home' : 'damaged'}`,
    'put this one file back from a backup of this home, or make a new home with quorate identity create',
    {},
    cause,
  )

const readFile = async <T>(disk: Disk, path: string, parse: (bytes: Uint8Array) => T): Promise<T> => {
  const bytes = await disk.read(path)
  if (bytes === undefined) throw damaged(path)
  try {
    return parse(bytes)
  } catch (error) {
    throw damaged(path, error)
  }
}

/** 64 hex digits and a line end. */
const parseSeed = (bytes: Uint8Array): Secret => {
  if (bytes.length !== 65 || bytes[64] !== 0x0a) throw new RangeError('not a seed file')
  return new Secret(fromHex(fromUtf8(bytes.subarray(0, 64))))
}
const seedText = (seed: Secret): Uint8Array => utf8(`${toHex(seed.reveal())}\n`)

const configComments = {
  type: 'What this home is and where its shard is sealed. The card is made of this file (quorate identity card); a change\nhere changes the card, and a definition that holds the old one is refused.',
  kms: 'The key that seals the shard. It lies outside this home.',
  stores: 'Where the sealed shard lies.',
  jurisdiction: 'Whose law reaches the key and the stores.',
  control: 'Who can make the key above open something.',
  measurement: 'Build or enclave measurement, where the site states one.',
}

/** Throws E_USAGE for values that no card can hold. */
const configOf = (wanted: NewHome, identity: Identity): HomeConfig => {
  const { name } = wanted
  const fields =
    wanted.role === 'site'
      ? {
          name,
          identity,
          kms: wanted.kms,
          stores: wanted.stores,
          jurisdiction: wanted.jurisdiction,
          control: wanted.control,
          measurement: null,
        }
      : { name, identity }
  const checked = v.safeParse(wanted.role === 'site' ? siteEntry : plainConfig, fields, { abortEarly: true })
  if (checked.success) return fields
  throw new QuorateError(
    'E_USAGE',
    `${v.getDotPath(checked.issues[0]) ?? 'home'}: ${checked.issues[0].message}`,
    'mend this value and run the command again; nothing was made',
  )
}

/** The same before anything is made: KMS keys come before their home. */
export const refuseUnfitHome = (wanted: NewHome): void => {
  const anyKey = publicKeyOf(new Secret(new Uint8Array(32).fill(1)))
  configOf(wanted, identityOf(wanted.role, anyKey))
}

/**
 * Makes a home on an empty disk: identity, purpose keys with their certificates, hedge key, and site.yaml last, so that
 * a home without it was never used. Throws E_USAGE for values that no card can hold, E_EXISTS where a home is.
 */
export const createHome = async (disk: Disk, wanted: NewHome, random: Random): Promise<Home> => {
  const there = await disk.list('.')
  if (there.length > 0)
    throw new QuorateError(
      'E_EXISTS',
      there.includes(CONFIG) ? 'there is a home here' : 'the folder is not empty',
      'name another folder with QUORATE_HOME, or delete this one if it was never used; nothing was overwritten',
    )
  const seed = new Secret(random(32))
  const identity = identityOf(wanted.role, publicKeyOf(seed))
  const { name, passphrase } = wanted
  const fields = configOf(wanted, identity)

  await disk.folder('purpose')
  const key =
    passphrase === undefined ? toHex(seed.reveal()) : await sealUnder(passphrase, sealLabel(identity), seed, random)
  await disk.create(IDENTITY, identityFile.encode({ identity, key }))
  const { signer } = identityKey(identity, name, seed)
  for (const purpose of homePurposes) {
    const own = new Secret(random(32))
    const certificate = await certify(signer, identity, purpose, publicKeyOf(own))
    await disk.create(keyPath(purpose), seedText(own))
    await disk.create(certificatePath(purpose), toEnvelope(certificate))
    own.wipe()
  }
  await disk.syncFolder('purpose')
  const hedge = new Secret(random(32))
  await disk.create(HEDGE, seedText(hedge))
  hedge.wipe()
  await disk.create(CONFIG, encodeYaml(CONFIG_TYPE, fields, configComments))
  await disk.syncFolder('.')
  return openHome(disk)
}

/**
 * Throws E_HOME where the home is incomplete, damaged, or mixed from two. The disk checks that this user alone may read
 * it.
 */
export const openHome = async (disk: Disk): Promise<Home> => {
  if ((await disk.read(CONFIG)) === undefined) {
    // It is written last: a home without it has lost it, or was never made to its end.
    if ((await disk.read(HEDGE)) !== undefined)
      throw new QuorateError(
        'E_HOME',
        `${CONFIG} is missing from this home`,
        'put this one file back from a backup of this home; where the home was never used, delete its folder and make it again',
      )
    throw new QuorateError(
      'E_HOME',
      'no home here',
      'make one with quorate identity create, or name it with QUORATE_HOME',
    )
  }
  const { identity, sealed, role } = await readFile(disk, IDENTITY, (bytes) => {
    const file = identityFile.decode(bytes)
    const parsed = parseIdentity(file.identity)
    if (parsed === undefined) throw new DecodeError('not an identity')
    return { identity: file.identity, role: parsed.role, sealed: typeof file.key === 'object' }
  })

  const load = async (purpose: HomePurpose) => {
    const seed = await readFile(disk, keyPath(purpose), parseSeed)
    const raw = rawSigner(seed)
    seed.wipe()
    const certificate = await readFile(disk, certificatePath(purpose), (bytes) => {
      const read = readCertificate(bytes, identity, purpose, null)
      return read
    })
    // Either may be the one that changed.
    if (certificate.value.key !== raw.key)
      throw damaged(
        `${keyPath(purpose)} or ${certificatePath(purpose)}`,
        new DecodeError('the certificate is for another key'),
      )
    return { raw, certificate }
  }
  const [log, cosign, note] = await Promise.all([load('log'), load('cosign'), load('note')])
  const hedge = await readFile(disk, HEDGE, parseSeed)

  const config = async (): Promise<HomeConfig> => {
    const bytes = (await disk.read(CONFIG)) ?? new Uint8Array()
    const read: HomeConfig = await decodeYaml<HomeConfig>(
      CONFIG_TYPE,
      role === 'site' ? siteEntry : plainConfig,
      bytes,
      CONFIG_LIMIT,
    ).catch((error: unknown) => {
      const what = error instanceof Error ? error.message : 'unreadable'
      throw new QuorateError('E_HOME', `${CONFIG}: ${what}`, `mend ${CONFIG} in this home`, {}, error)
    })
    if (read.identity !== identity)
      throw new QuorateError(
        'E_HOME',
        `${CONFIG} names another identity than the key in this home`,
        `put the ${CONFIG} of ${identity} back`,
      )
    return read
  }

  return {
    disk,
    identity,
    role,
    locked: sealed,
    keys: { log: log.raw, cosign: cosign.raw, note: note.raw },
    certificates: { log: log.certificate, cosign: cosign.certificate, note: note.certificate },
    hedge,
    config,
    async card() {
      const read = await config()
      if ('kms' in read) return read
      throw new QuorateError(
        'E_HOME',
        `this is the home of ${role === 'relay' ? 'a relay' : 'an approver'}, which has no card`,
        'use the home of a site',
      )
    },
    async unlock(passphrase) {
      const { name } = await config()
      const { key } = await readFile(disk, IDENTITY, identityFile.decode)
      if (typeof key === 'string') return matching(identity, name, new Secret(fromHex(key)))
      if (passphrase === undefined)
        throw new QuorateError(
          'E_PASSPHRASE',
          'the identity key lies under a passphrase',
          'give it when asked, or with --passphrase-file',
        )
      return matching(identity, name, await openUnder(passphrase, sealLabel(identity), key))
    },
  }
}

const matching = (identity: Identity, name: SiteId, seed: Secret): IdentityKey => {
  if (publicKeyOf(seed) !== parseIdentity(identity)?.key)
    throw damaged(IDENTITY, new DecodeError('the key is not that of the identity'))
  return identityKey(identity, name, seed)
}
