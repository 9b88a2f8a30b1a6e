import { hedged } from '../ceremony/hedge.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import { kmsFaultIn } from '../kms/fault.ts'
import type { KmsContext, KmsKey } from '../kms/port.ts'
import { hostOf, protectionOf, regionOf } from '../kms/providers.ts'
import { openKmsKey } from '../kms/registry.ts'
import type { Hash } from '../lib/brand.ts'
import { equal, utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import { hashOf } from '../lib/hash.ts'
import { Secret } from '../lib/secret.ts'
import type { Definition } from '../records/definition.ts'
import type { KmsSlot } from '../records/definition-fields.ts'
import { readDefinition } from '../records/definition-yaml.ts'
import { machine } from './machine.ts'

/** A key as its name tells it: nobody was asked. */
export interface KmsKeyNamed {
  readonly site: string
  /** This home's own; else another site's of the definition. */
  readonly own: boolean
  /** PROVIDER:KEY */
  readonly key: string
  readonly region: string | null
  readonly protection: string | null
}

/** One thing that a share relies on, and whether it holds: `left` where it could not be tried. */
interface KmsCheck {
  readonly check: 'seals' | 'opens' | 'bound' | 'apart'
  readonly state: 'ok' | 'failed' | 'left'
  readonly said: string
  readonly hint: string | null
}

/** Its own keys were opened, so that their `protection` is that of the key itself, not what all of that provider have. */
export interface KmsKeyChecked extends KmsKeyNamed {
  /** The key version that sealed the probe, as the provider tells it. */
  readonly version: string | null
  readonly checks: readonly KmsCheck[]
}

interface Wanted {
  readonly home: string
  /** Content of a definition, whose other sites' keys are to be out of this site's reach. */
  readonly definition: Uint8Array | undefined
  readonly passphrase?: (() => Promise<Secret>) | undefined
  readonly environment?: KmsContext['environment']
}

const named = (site: string, own: boolean, slot: KmsSlot): KmsKeyNamed => ({
  site,
  own,
  key: `${slot.provider}:${slot.key}`,
  region: regionOf(slot),
  protection: protectionOf(slot),
})

interface Known {
  readonly slot: KmsSlot
  readonly key: KmsKeyNamed
}

/** The keys of a home's card, then those of the other sites of a definition. */
const keysFor = async (
  home: { readonly identity: string; card(): Promise<{ readonly name: string; readonly kms: readonly KmsSlot[] }> },
  definition: Definition | undefined,
): Promise<readonly Known[]> => {
  const { name, kms } = await home.card()
  const others = (definition?.sites ?? []).filter(({ identity }) => identity !== home.identity)
  return [
    ...kms.map((slot) => ({ slot, key: named(name, true, slot) })),
    ...others.flatMap((site) => site.kms.map((slot) => ({ slot, key: named(site.name, false, slot) }))),
  ]
}

const using = async <T>(
  { home: folder, definition }: Wanted,
  act: (home: Awaited<ReturnType<typeof openHome>>, keys: readonly Known[]) => Promise<T>,
): Promise<T> => {
  const disk = await openRoot(folder)
  try {
    const home = await openHome(disk)
    return await act(home, await keysFor(home, definition && (await readDefinition(definition))))
  } finally {
    await disk.close()
  }
}

export const listKmsKeys = (wanted: Wanted): Promise<readonly KmsKeyNamed[]> =>
  using(wanted, async (_, keys) => keys.map(({ key }) => key))

const ok = (check: KmsCheck['check'], said: string): KmsCheck => ({ check, state: 'ok', said, hint: null })
const isOk = ({ state }: KmsCheck): boolean => state === 'ok'
const failed = (check: KmsCheck['check'], said: string, hint: string): KmsCheck => ({
  check,
  state: 'failed',
  said,
  hint,
})
const left = (check: KmsCheck['check'], said = 'not tried'): KmsCheck => ({ check, state: 'left', said, hint: null })

const faulty = (check: KmsCheck['check'], error: unknown): KmsCheck => {
  if (!(error instanceof QuorateError)) throw error
  return failed(check, error.message, error.hint)
}

type Tried = Pick<KmsKeyChecked, 'version' | 'checks'>

/** A site's own key: it seals, opens, and opens under no other context. */
const tryOwn = async (open: () => Promise<KmsKey>, random: KmsContext['random']): Promise<Tried> => {
  const [context, other] = [hashOf(random(32)), hashOf(random(32))]
  const piece = new Secret(random(32))
  let version: string | null = null
  try {
    const key = await open()
    const wrapped = await key.wrap(piece, context)
    version = wrapped.version
    const seals = ok('seals', `version ${version}`)
    try {
      const back = await key.unwrap(wrapped, context)
      const same = equal(back.reveal(), piece.reveal())
      back.wipe()
      if (!same)
        return {
          version,
          checks: [
            seals,
            failed('opens', 'it opened another piece than it sealed', 'seal nothing under it; ask the provider'),
            left('bound'),
          ],
        }
    } catch (error) {
      return { version, checks: [seals, faulty('opens', error), left('bound')] }
    }
    return { version, checks: [seals, ok('opens', 'what it sealed'), await tryBound(() => key.unwrap(wrapped, other))] }
  } catch (error) {
    return { version, checks: [faulty('seals', error), left('opens'), left('bound')] }
  } finally {
    piece.wipe()
  }
}

const tryBound = async (unwrap: () => Promise<Secret>): Promise<KmsCheck> => {
  try {
    ;(await unwrap()).wipe()
    return failed('bound', 'it opened a piece for another shard', 'seal nothing under it; ask the provider')
  } catch (error) {
    if (kmsFaultIn(error) === 'wrong key') return ok('bound', 'to one shard')
    return faulty('bound', error)
  }
}

/**
 * Another site's key, with the credentials of this one, which an own key of that provider has proven before: a refusal by
 * whoever knows no such credentials says nothing. To open is not tried: nothing that it sealed is at hand.
 */
const tryApart = async (
  site: string,
  open: () => Promise<KmsKey>,
  context: Hash,
  piece: Secret,
  proven: boolean,
): Promise<Tried> => {
  try {
    const { version } = await (await open()).wrap(piece, context)
    const hint = `${site} and this site are in one hand while it is so: take the right away from one of them`
    return { version, checks: [failed('apart', `this site may use the key of ${site}`, hint)] }
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error
    // A key that did not answer has refused nothing.
    const refused = kmsFaultIn(error) === 'refused'
    const said =
      refused && !proven ? `${error.message}; no own key there shows that these credentials count` : error.message
    return {
      version: null,
      checks: [refused && proven ? ok('apart', 'refuses to seal for this site') : left('apart', said)],
    }
  } finally {
    piece.wipe()
  }
}

/** Whoever writes a card chooses its hosts, tokens and modules: only those that this site's own keys name see its credentials. */
const elsewhere = (slot: KmsSlot, own: readonly KmsSlot[]): string | undefined => {
  const host = hostOf(slot)
  if (host === null || own.some((one) => one.provider === slot.provider && hostOf(one) === host)) return undefined
  return `not asked: none of this site’s own keys is at ${host}, which would be shown its credentials`
}

/** Asks each key of a home for what sealing relies on, and each of the other sites' for what it must not do. */
export const askKmsKeys = (wanted: Wanted): Promise<readonly KmsKeyChecked[]> =>
  using(wanted, async (home, keys) => {
    const random = hedged({ machine, home }, hashOf(utf8(home.identity)), 'kms doctor')
    const { passphrase, environment, home: folder } = wanted
    const context: KmsContext = {
      home: folder,
      random,
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(environment === undefined ? {} : { environment }),
    }
    const all: KmsKeyChecked[] = []
    const own = keys.filter(({ key }) => key.own).map(({ slot }) => slot)
    const other = async (slot: KmsSlot, site: string, open: () => Promise<KmsKey>): Promise<Tried> => {
      const foreign = elsewhere(slot, own)
      if (foreign !== undefined) return { version: null, checks: [left('apart', foreign)] }
      const proven = all.some((one) => one.own && one.key.startsWith(`${slot.provider}:`) && one.checks.every(isOk))
      return tryApart(site, open, hashOf(random(32)), new Secret(random(32)), proven)
    }
    for (const { slot, key } of keys) {
      let { protection } = key
      const open = async (): Promise<KmsKey> => {
        const opened = await openKmsKey(slot, context)
        if (key.own) protection = opened.can.protection
        return opened
      }
      const tried = await (key.own ? tryOwn(open, random) : other(slot, key.site, open))
      all.push({ ...key, ...tried, protection })
    }
    return all
  })
