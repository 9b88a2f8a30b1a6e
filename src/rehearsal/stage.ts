import { openLog } from '../audit/disk-log.ts'
import { ceremonyOrigin, ledgerOrigin } from '../audit/note.ts'
import type { Authority } from '../ceremony/definition/authority.ts'
import { approvalsFolder, logPath } from '../ceremony/paths.ts'
import { KnownHeads } from '../ceremony/peers/ledger-heads.ts'
import type { Site } from '../ceremony/ports.ts'
import { toEnvelope } from '../identity/dsse.ts'
import { createHome, openHome } from '../identity/home.ts'
import type { KmsKey } from '../kms/port.ts'
import type { Hash, Identity, SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Random } from '../lib/ports.ts'
import { sealTo } from '../recipients/seal.ts'
import { ceremonyId, type Definition } from '../records/definition.ts'
import type { SiteEntry } from '../records/definition-fields.ts'
import { approvalCodec } from '../records/identity.ts'
import { shardStore } from '../shards/store.ts'
import { type MemoryDisk, memoryDisk } from './memory-disk.ts'
import { memoryKms } from './memory-kms.ts'
import type { MemoryRoom } from './memory-room.ts'
import { Process } from './process.ts'
import { seededRandom } from './seeded-random.ts'
import type { StillClock } from './still-clock.ts'

/** Everything that a rehearsal takes from the machine: no disk, no socket and no key is among it. */
export interface Props {
  readonly clock: StillClock
  readonly seed: string
  readonly build: Hash
  readonly runtime: string
  /** Milliseconds of real time, for what is computed while the clock stands. */
  readonly stopwatch: () => number
}

/** A site or an approver whose home and keys are in memory, and gone with it. */
export interface Player {
  readonly name: SiteId
  readonly identity: Identity
  readonly disk: MemoryDisk
  readonly kms: ReadonlyMap<string, KmsKey>
}

/** Of a site, all that its card says besides its keys stays. */
export const sitePlayer = async (
  { seed }: Props,
  { name, kms, stores, jurisdiction, control }: Omit<SiteEntry, 'identity' | 'measurement'>,
): Promise<Player> => {
  const disk = memoryDisk()
  const slots = kms.map((_, at) => ({ provider: 'local', key: `/rehearsal/${name}-${at + 1}.key` }))
  const wanted = { role: 'site', name, kms: slots, stores, jurisdiction, control } as const
  const { identity } = await createHome(disk, wanted, seededRandom(`${seed} home ${name}`))
  const keys = slots.map(({ key }) => [key, memoryKms(key, seededRandom(`${seed} kms ${key}`))] as const)
  return { name, identity, disk, kms: new Map(keys) }
}

export const approverPlayer = async ({ seed }: Props, name: SiteId): Promise<Player> => {
  const disk = memoryDisk()
  const { identity } = await createHome(disk, { role: 'approver', name }, seededRandom(`${seed} home ${name}`))
  return { name, identity, disk, kms: new Map() }
}

export const cardOf = async ({ disk }: Player): Promise<SiteEntry> => (await openHome(disk)).card()

/** Approves as `approve` would, and hands the file to this site. */
export const approveAs = async (
  { clock }: Props,
  player: Player,
  definition: Definition,
  at: readonly Player[],
): Promise<void> => {
  const home = await openHome(player.disk)
  const ceremony = ceremonyId(definition)
  const { signer } = await home.unlock()
  const role = home.role === 'approver' ? 'approver' : 'site'
  const approval = toEnvelope(
    await signer.sign(approvalCodec, {
      ceremony,
      identity: home.identity,
      role,
      purpose: 'approve',
      at: clock.now(),
    }),
  )
  for (const { disk } of at) {
    await disk.folder(approvalsFolder(ceremony))
    await disk.create(`${approvalsFolder(ceremony)}/${player.name}.dsse`, approval)
  }
}

/** A player's home as one process has it; `number` is that of the process in this rehearsal. */
export const siteOf = async (
  props: Props,
  player: Player,
  room: MemoryRoom,
  number: number,
  process = new Process(),
): Promise<Site> => {
  const { seed, build, runtime } = props
  const { name, kms } = player
  const [clock, disk] = [process.clock(props.clock), process.disk(player.disk)]
  const home = await openHome(disk)
  const signer = home.keys.log
  const ledger = await openLog({ disk, path: 'ledger', origin: ledgerOrigin(home.identity), signer })
  if (ledger.size === 0) {
    ledger.append({ at: clock.now(), what: 'created', ceremony: null, site: null, object: null })
    await ledger.barrier()
  }
  const random: Random = seededRandom(`${seed} process ${number} ${name}`)
  return {
    home,
    card: await home.card(),
    identityKey: await home.unlock(),
    machine: { clock, random, processId: number, vmGeneration: null, build, runtime, sdks: [] },
    ledger,
    peerHeads: new KnownHeads(ledger),
    shards: shardStore(disk),
    ceremonyLog: (ceremony) =>
      openLog({ disk, path: logPath(ceremony), origin: ceremonyOrigin(ceremony, home.identity), signer }),
    connect: async ({ roster }: Authority) => {
      const member = roster.find(({ identity }) => identity === home.identity)
      return room.join(member?.name ?? name, toEnvelope(home.certificates.note))
    },
    kms: async ({ key }) => {
      const found = kms.get(key)
      if (found !== undefined) return found
      throw new QuorateError('E_KMS_UNAVAILABLE', `no KMS key ${key} in this rehearsal`, 'rehearse again')
    },
    // The runtime computes it beside its event loop: the clock would not see that.
    sealTo: (...given) => props.clock.hold(sealTo(...given)),
  }
}
