import { is } from 'valibot'
import { openRoot, withRoot } from '../host/disk.ts'
import { makeCard } from '../identity/card.ts'
import { createHome, type Home, type HomeConfig, type NewHome, openHome, refuseUnfitHome } from '../identity/home.ts'
import type { Role } from '../identity/identity.ts'
import { protectionOf, siteMakes } from '../kms/providers.ts'
import { ensureKmsKey, parseKmsSlot } from '../kms/registry.ts'
import type { Identity } from '../lib/brand.ts'
import { fromUtf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import { accessOf } from '../records/access.ts'
import { siteId } from '../records/fields.ts'
import type { Card } from '../records/identity.ts'
import { readsAsId } from '../records/short-id.ts'
import { refuseUnfitStore } from '../shards/stores/open.ts'
import { firstRandom } from './machine.ts'

/** Input of `identity create`. */
interface Wanted {
  readonly home: string
  readonly name: string
  readonly role: Role
  /** PROVIDER:KEY */
  readonly kms: readonly string[]
  readonly stores: readonly string[]
  readonly jurisdiction: string | undefined
  /** ORGANISATION/ACCOUNT/ADMINISTRATOR, or one name for all three. */
  readonly control: string | undefined
  readonly passphrase: Secret | undefined
  readonly kmsPassphrase: (() => Promise<Secret>) | undefined
}

/** A home as its owner sees it; no secret in it. */
export interface HomeShown {
  readonly home: string
  readonly name: string
  readonly role: Role
  readonly identity: Identity
  /** The identity key lies under a passphrase. */
  readonly locked: boolean
  /** The card's other fields; null where the home is not a site's. */
  readonly card: Card | null
  /** KMS keys of the card, as PROVIDER:KEY, and what their provider says of them. */
  readonly kms: readonly { readonly key: string; readonly protection: string | null }[]
}
export interface HomeMade extends HomeShown {
  /** KMS keys, whether they were made now, and whether they were asked at all: one in a cloud is not yet. */
  readonly keys: readonly { readonly key: string; readonly made: boolean; readonly asked: boolean }[]
}

const usage = (message: string, hint: string): QuorateError => new QuorateError('E_USAGE', message, hint)

const controlOf = (text: string): Card['control'] => {
  const [organisation = '', account = organisation, administrator = organisation, ...rest] = text.split('/')
  const parts = text.split('/').length
  if (rest.length > 0 || parts === 2 || organisation === '')
    throw usage(
      '--control is not ORGANISATION/ACCOUNT/ADMINISTRATOR',
      'give all three, or one name that is all of them',
    )
  return { organisation, account, administrator }
}

const required = (value: string | undefined, flag: string): string => {
  if (value === undefined || value === '') throw usage(`a site needs ${flag}`, `give ${flag}; nothing was made`)
  return value
}

const show = async (home: Home, folder: string): Promise<HomeShown> => {
  const config: HomeConfig = await home.config()
  const { identity, role, locked } = home
  const card = 'kms' in config ? config : null
  const kms = (card?.kms ?? []).map((slot) => ({
    key: `${slot.provider}:${slot.key}`,
    protection: protectionOf(slot),
  }))
  return { home: folder, name: config.name, role, identity, locked, card, kms }
}

/** Makes a home and, for a site, the KMS keys that its provider lets it make. Nothing is overwritten. */
export const createIdentity = async (wanted: Wanted): Promise<HomeMade> => {
  const { home: folder, passphrase, kmsPassphrase } = wanted
  if (!is(siteId, wanted.name)) throw usage('--name is not a name of a-z, 0-9 and -, at most 32', 'nothing was made')
  if (readsAsId(wanted.name))
    throw usage('--name could be taken for an id', 'name the site by words, as eu-west; nothing was made')
  const base = { name: wanted.name, ...(passphrase === undefined ? {} : { passphrase }) }
  const random = firstRandom(folder)
  if (wanted.role !== 'site') {
    const { role } = wanted
    const made = await withRoot(folder, (disk) => createHome(disk, { ...base, role }, random))
    return { ...(await show(made, folder)), keys: [] }
  }
  if (wanted.kms.length === 0)
    throw usage('a site needs --kms', 'for example --kms local:/path/outside/the/home/site.key')
  const kms = wanted.kms.map(parseKmsSlot)
  if (accessOf(kms) === undefined)
    throw usage(
      `a site seals its shard under one KMS key, or under three of which any two open it, not under ${kms.length}`,
      'give --kms once, or three times; nothing was made',
    )
  for (const store of wanted.stores) refuseUnfitStore(store)
  const site = {
    kms,
    stores: wanted.stores,
    jurisdiction: required(wanted.jurisdiction, '--jurisdiction'),
    control: controlOf(required(wanted.control, '--control')),
  }
  const card: NewHome = { ...base, role: 'site', ...site, stores: [...site.stores] }
  refuseUnfitHome(card)
  const kmsSecret = await kmsPassphrase?.()
  const context = {
    home: folder,
    random,
    ...(kmsSecret === undefined ? {} : { passphrase: async () => kmsSecret }),
  }
  const keys: { key: string; made: boolean; asked: boolean }[] = []
  const made = await withRoot(folder, async (disk) => {
    // Keys first: a home whose key could not be made would be in the way of the next try.
    if ((await disk.list('.')).length === 0)
      for (const slot of site.kms)
        keys.push({
          key: `${slot.provider}:${slot.key}`,
          made: await ensureKmsKey(slot, context),
          asked: siteMakes(slot),
        })
    return createHome(disk, card, random)
  })
  return { ...(await show(made, folder)), keys }
}

export const readIdentity = async (folder: string): Promise<HomeShown> =>
  show(await openHome(await openRoot(folder)), folder)

/** The site's card: one line that others put into a definition. `passphrase` is asked only where one is needed. */
export const readOwnCard = async (folder: string, passphrase: () => Promise<Secret>): Promise<string> => {
  const home = await openHome(await openRoot(folder))
  const card = await home.card()
  const key = await home.unlock(home.locked ? await passphrase() : undefined)
  return fromUtf8(await makeCard(key, card))
}
