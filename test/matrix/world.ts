import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileMessage } from '../../src/ceremony/definition/message.ts'
import { bundlePath, definitionPath, messagePath } from '../../src/ceremony/paths.ts'
import { systemRandom } from '../../src/host/random.ts'
import { makeCard } from '../../src/identity/card.ts'
import { createHome, type Home } from '../../src/identity/home.ts'
import type { KmsKey } from '../../src/kms/port.ts'
import { ensureKmsKey, openKmsKey } from '../../src/kms/registry.ts'
import type { Hash, SiteId, Time } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { loadScheme } from '../../src/mpc/registry.ts'
import { ceremonyId, type Definition, definitionCodec, recordKind } from '../../src/records/definition.ts'
import { definitionYaml } from '../../src/records/definition-yaml.ts'
import type { Recipient } from '../../src/records/kinds/reconstruct.ts'
import { type MemoryDisk, memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { stillClock } from '../../src/rehearsal/still-clock.ts'
import type { StoredEpoch } from '../../src/shards/epochs.ts'
import { shardStore } from '../../src/shards/store.ts'
import { serveRelay } from '../../src/site/relay.ts'
import { newFolder } from '../e2e/support.ts'
import { writeHome } from '../hostile/ceremonies.ts'
import {
  approverIdentities,
  keygenDefinition,
  reconstructDefinition,
  refreshDefinition,
  signDefinition,
  siteEntries,
} from '../support/definition.ts'
import { siteOptions } from '../support/home.ts'
import { approveIn, type MemoryWorld, startJoin } from '../support/memory-site.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { ageRecipient, identityFile } from '../support/recipients.ts'
import { repairOf } from '../support/reshares.ts'
import { runLine } from './line.ts'

const PASSPHRASE = 'correct horse battery staple'
const MESSAGE = utf8('pay 250 to the supplier\n')
const names = ['eu', 'us', 'ap'] as SiteId[]
const DAY = 86_400_000

/** Where a ceremony can stand: over, approved here alone, begun and stopped, left; new shares, a lost one, a whole key, approved here. */
export const standings = ['made', 'signed', 'pending', 'begun', 'left', 'refreshing', 'mending', 'giving'] as const
type Standing = (typeof standings)[number]

export interface Ceremony {
  readonly definition: Definition
  readonly id: Hash
  readonly file: string
}

/** Three sites that made two keys and a signature, and a relay that stands idle. */
export interface World {
  readonly folder: string
  at(path: string): string
  /** The key that the ceremonies are about; the other one is named `other`. */
  readonly key: Hash
  readonly ceremonies: Readonly<Record<Standing, Ceremony>>
  readonly relay: string
  readonly recipient: string
  readonly approvers: readonly string[]
  /** Of the signature. */
  readonly bundle: string
  remove(): Promise<void>
}

interface Site {
  readonly home: Home
  readonly disk: MemoryDisk
  readonly kms: KmsKey
}

const makeSite = async (name: SiteId, at: (path: string) => string): Promise<Site> => {
  const [disk, slot] = [memoryDisk(), { provider: 'local', key: at(`kms/${name}.key`) }]
  const home = await createHome(disk, { ...siteOptions(name), kms: [slot] }, seededRandom(`matrix ${name}`))
  const context = { home: at(name), random: systemRandom }
  await ensureKmsKey(slot, context)
  return { home, disk, kms: await openKmsKey(slot, context) }
}

/** The ceremonies of these sites: they run in memory, where no time passes, and lie on the disk afterwards. */
class Rehearsal {
  readonly #sites: ReadonlyMap<SiteId, Site>
  readonly #world: MemoryWorld

  constructor(sites: ReadonlyMap<SiteId, Site>) {
    const clock = stillClock(Date.now())
    this.#sites = sites
    this.#world = { clock, network: memoryNetwork({ clock, random: seededRandom('matrix') }), homes: sites }
  }

  get world(): MemoryWorld {
    return this.#world
  }

  get eu(): Site {
    return this.#sites.get('eu' as SiteId) as Site
  }

  /** As the commands keep them. */
  #keep(definition: Definition): void {
    const { files } = this.eu.disk
    files.set(definitionPath(ceremonyId(definition)), definitionCodec.encode(definition))
    if (definition.kind === 'sign') files.set(messagePath(ceremonyId(definition)), MESSAGE)
  }

  #join(name: SiteId, definition: Definition) {
    const message = definition.kind === 'sign' ? MESSAGE : null
    return startJoin(this.#world, name, definition, message, { kms: async () => (this.#sites.get(name) as Site).kms })
  }

  async approve(definition: Definition): Promise<Definition> {
    this.#keep(definition)
    await approveIn(this.#world, 'eu', definition)
    return definition
  }

  /** Approved here, and stopped while it waited for the other sites. */
  async begin(definition: Definition): Promise<Definition> {
    await this.approve(definition)
    const running = await this.#join('eu' as SiteId, definition)
    const ended = running.done.catch(() => undefined)
    await this.#world.clock.sleep(1000)
    running.stop.abort()
    await ended
    return definition
  }

  async run(definition: Definition): Promise<Definition> {
    await this.approve(definition)
    const { candidates } = recordKind(definition).seats(definition)
    for (const name of candidates.slice(1)) await approveIn(this.#world, name, definition)
    const joins = await Promise.all(candidates.map((name) => this.#join(name, definition)))
    await Promise.all(joins.map(({ done }) => done))
    return definition
  }
}

const idleRelay = async (stop: AbortSignal) => {
  const { relay, shown } = await serveRelay({
    ...{ host: '127.0.0.1', port: 0, tls: undefined, behindProxy: false, home: undefined, allow: [], limits: [], stop },
    passphrase: () => Promise.reject(new Error('not asked')),
    onEvent: () => undefined,
  })
  return { relay, address: shown.address, entry: { url: shown.url, identity: shown.identity } }
}

const second = (ms: number): Time => new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000', '') as Time

/** The definitions of all standings, each of them played as far as its name says. */
const playAll = async (play: Rehearsal, common: Pick<Definition, 'sites' | 'relays' | 'window'>) => {
  const keygen = (name: string, nonce: string) => keygenDefinition({ ...common, name, nonce: nonce.repeat(32) })
  const made = await play.run(await keygen('made', '1'))
  const { files } = play.eu.disk
  const key = [...files.keys()].find((path) => path.endsWith('/record'))?.split('/')[1] as Hash
  const base = hashOf(files.get(`keys/${key}/${key}/record`) as Uint8Array)
  const [{ made: outcome }] = (await shardStore(play.eu.disk).list()) as [StoredEpoch]
  await play.run(await keygen('other', '2'))
  const message = fileMessage('message', MESSAGE)
  const sign = (name: string, nonce: string) =>
    signDefinition({ ...common, name, nonce: nonce.repeat(32), key, base, message, signers: names.slice(0, 2) })
  const definitions: Readonly<Record<Standing, Definition>> = {
    made,
    signed: await play.run(await sign('signed', '3')),
    begun: await play.begin(await sign('begun', '4')),
    pending: await play.approve(await keygen('pending', '5')),
    left: await play.approve(await keygen('left', '6')),
    refreshing: await play.approve(
      await refreshDefinition({ ...common, key, base, name: 'made', nonce: '7'.repeat(32) }),
    ),
    giving: await play.approve(
      await reconstructDefinition({
        ...common,
        ...{ key, base, name: 'made', nonce: '8'.repeat(32), givers: common.sites.map((site) => site.name) },
        of: { publicKey: outcome.publicKey, verifyingShares: [...outcome.verifyingShares] },
      }),
    ),
    mending: await play.approve({
      ...(await repairOf(play.world, made, 'ap', 'new')),
      ...common,
      sites: [...common.sites.slice(0, 2), ...(await siteEntries(['new']))],
    }),
  }
  return { key, definitions }
}

const lockedHome = async (folder: string): Promise<void> => {
  const disk = memoryDisk()
  const passphrase = new Secret(utf8(PASSPHRASE))
  await createHome(disk, { role: 'approver', name: 'auditor' as SiteId, passphrase }, seededRandom('locked'))
  await writeHome(folder, disk.files)
}

export const makeWorld = async (): Promise<World> => {
  const { path: folder, remove } = newFolder('matrix')
  const at = (path: string): string => join(folder, path)
  const stop = new AbortController()
  const { relay, address, entry } = await idleRelay(stop.signal)
  await loadScheme('frost-ed25519')
  const sites = new Map(await Promise.all(names.map(async (name) => [name, await makeSite(name, at)] as const)))
  const cards = await Promise.all([...sites.values()].map(({ home }) => home.card()))
  const window = { opens: second(Date.now() - DAY), closes: second(Date.now() + 6 * DAY) }
  const { key, definitions } = await playAll(new Rehearsal(sites), { sites: cards, relays: [entry], window })

  for (const [name, { home, disk }] of sites) {
    await writeHome(at(name), disk.files)
    writeFileSync(at(`${name}.card`), await makeCard(await home.unlock(), await home.card()))
  }
  const spare = await makeSite('spare' as SiteId, at)
  writeFileSync(at('spare.card'), await makeCard(await spare.home.unlock(), await spare.home.card()))
  await lockedHome(at('locked'))
  writeFileSync(at('trust'), `${cards.map(({ identity }) => identity).join('\n')}\n`)
  writeFileSync(at('message'), MESSAGE)
  writeFileSync(at('passphrase'), `${PASSPHRASE}\n`)
  writeFileSync(at('identity'), identityFile('age.txt'))
  const ceremonies = Object.fromEntries(
    standings.map((name) => {
      const [definition, file] = [definitions[name], at(`${name}.yaml`)]
      writeFileSync(file, definitionYaml(definition))
      return [name, { definition, file, id: ceremonyId(definition) }]
    }),
  ) as Record<Standing, Ceremony>
  const { file, id } = ceremonies.left
  const left = await runLine('keygen abort', ['--home', at('eu'), '--definition', file, '--confirm', id])
  if (left.exit !== 0) throw new Error(left.stderr)
  writeFileSync(at('calendar'), 'type: drills/v1\ndrills:\n  - incident: site-lost\n    every: month\n')
  const rehearsed = ['--definition', ceremonies.pending.file, '--home', at('eu'), '--out', at('report')]
  const report = await runLine('rehearse', rehearsed)
  if (report.exit !== 0) throw new Error(report.stderr)
  return {
    ...{ folder, at, key, ceremonies, relay: address, approvers: await approverIdentities() },
    recipient: `counsel=${(ageRecipient() as Extract<Recipient, { form: 'age' }>).recipient}`,
    bundle: at(`eu/${bundlePath(ceremonies.signed.id, 'sign')}`),
    async remove() {
      stop.abort()
      await relay.close()
      remove()
    },
  }
}
