import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { JoinResult } from '../../src/ceremony/engine/result.ts'
import { messagePath } from '../../src/ceremony/paths.ts'
import type { Progress } from '../../src/ceremony/progress.ts'
import { withRoot } from '../../src/host/disk.ts'
import { createHome } from '../../src/identity/home.ts'
import { ensureKmsKey } from '../../src/kms/registry.ts'
import { concat } from '../../src/lib/bytes.ts'
import type { Random } from '../../src/lib/ports.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import type { SiteEntry } from '../../src/records/definition-fields.ts'
import { approveDefinition } from '../../src/site/approve.ts'
import { openHomeSession, openSite } from '../../src/site/home-session.ts'
import { keepDefinition } from '../../src/site/kept-definition.ts'
import { siteOptions } from '../support/home.ts'
import { seededRandom } from '../support/random.ts'
import type { Secretive } from './needles.ts'

const none = async (): Promise<never> => {
  throw new Error('these homes have no passphrase')
}

/** A site whose randomness a test has seeded: real disk, KMS key file and relay, and every secret known. */
export interface SeededSite {
  readonly name: string
  readonly home: string
  readonly kmsFile: string
  /** What the site drew or derived, and where it is meant to stand; null: nowhere. */
  readonly secrets: (Secretive & { readonly place: string | null })[]
  readonly entry: SiteEntry
}

/** RFC 8032 §5.1.5: the scalar and the prefix that a seed stands for. */
export const expanded = (name: string, seed: Uint8Array): readonly Secretive[] => {
  const digest = new Uint8Array(createHash('sha512').update(seed).digest())
  const scalar = digest.slice(0, 32)
  scalar[0] = (scalar[0] ?? 0) & 248
  scalar[31] = ((scalar[31] ?? 0) & 127) | 64
  return [
    { name: `${name} scalar`, bytes: scalar },
    { name: `${name} prefix`, bytes: digest.slice(32) },
  ]
}

export const seededSite = async (folder: string, name: string): Promise<SeededSite> => {
  const home = join(folder, name)
  const kmsFile = join(folder, 'kms', `${name}.key`)
  const slot = { provider: 'local', key: kmsFile }
  const secrets: SeededSite['secrets'] = []
  const drawn = seededRandom(`home of ${name}`)
  const places = ['identity', 'purpose/log.key', 'purpose/cosign.key', 'purpose/note.key', 'hedge']
  const random: Random = (length) => {
    const bytes = drawn(length)
    const place = places.shift()
    if (place === undefined) throw new Error('a home that draws more than its keys')
    secrets.push({ name: `${name} ${place}`, bytes: bytes.slice(), place: join(home, place) })
    if (place !== 'hedge') for (const one of expanded(`${name} ${place}`, bytes)) secrets.push({ ...one, place: null })
    return bytes
  }
  mkdirSync(folder, { recursive: true })
  const disk = await withRoot(home, async (made) => made)
  const made = await createHome(disk, { ...siteOptions(name), kms: [slot] }, random)
  const drawnForKms = seededRandom(`kms of ${name}`)
  const kmsDraws: Uint8Array[] = []
  await ensureKmsKey(slot, {
    home,
    random: (length) => {
      const bytes = drawnForKms(length)
      kmsDraws.push(bytes.slice())
      return bytes
    },
  })
  // The key is drawn first. What follows names the file while it is written.
  const [kmsKey] = kmsDraws
  if (kmsKey === undefined) throw new Error('a KMS key that nobody drew')
  secrets.push({ name: `${name} kms key`, bytes: kmsKey, place: kmsFile })
  const entry = await made.card()
  await disk.close()
  return { name, home, kmsFile, secrets, entry }
}

export interface SeededJoin {
  readonly done: Promise<JoinResult>
  readonly events: Progress[]
  readonly stop: AbortController
}

let joins = 0

/** `join` of one site, as site/join.ts wires it, with the seeded source in the place of the system's. */
export const seededJoin = async (
  site: SeededSite,
  definition: Definition,
  message: Uint8Array | undefined,
): Promise<SeededJoin> => {
  await approveDefinition({ home: site.home, definition, message, trust: undefined, passphrase: none })
  const owned = await openHomeSession(site.home)
  await keepDefinition(owned.disk, definition)
  const wired = await openSite(owned, { passphrase: none })
  const drawn = seededRandom(`join ${++joins} of ${site.name}`)
  let draws = 0
  const random: Random = (length) => {
    const bytes = drawn(length)
    draws += 1
    site.secrets.push({ name: `${site.name} draw ${draws}`, bytes: bytes.slice(), place: null })
    return bytes
  }
  const events: Progress[] = []
  const stop = new AbortController()
  const done = joinCeremony({ ...wired, machine: { ...wired.machine, random } }, definition, {
    progress: (event) => events.push(event),
    signal: stop.signal,
    message: message === undefined ? null : ((await owned.disk.read(messagePath(ceremonyId(definition)))) ?? null),
    check: false,
  }).finally(() => owned.close())
  done.catch(() => undefined)
  return { done, events, stop }
}

/** Every file below a folder. */
export const filesUnder = (folder: string): readonly { readonly path: string; readonly bytes: Uint8Array }[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: new Uint8Array(readFileSync(path)) }))

/** All bytes as one, with gaps in which nothing can be found. */
export const heap = (parts: readonly Uint8Array[]): Uint8Array =>
  concat(...parts.flatMap((part) => [part, new Uint8Array(64)]))
