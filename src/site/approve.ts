import { parseTrust } from '../audit/trust.ts'
import { approve, checkApproval } from '../ceremony/definition/approve.ts'
import { givenShares } from '../ceremony/epoch/given-shares.ts'
import { refuseOtherEmergency } from '../ceremony/epoch/other-emergency.ts'
import { undecidedVotes } from '../ceremony/epoch/rivals.ts'
import { approvalsFolder, messagePath } from '../ceremony/paths.ts'
import { systemClock } from '../host/clock.ts'
import { openRoot } from '../host/disk.ts'
import type { HomeRequest } from '../host/run-socket.ts'
import { fromEnvelope, toEnvelope } from '../identity/dsse.ts'
import { openHome } from '../identity/home.ts'
import type { Hash, Identity } from '../lib/brand.ts'
import { durableFolder, writeDurable } from '../lib/durable.ts'
import { hashOf } from '../lib/hash.ts'
import type { Secret } from '../lib/secret.ts'
import { DecodeError } from '../records/codec.ts'
import { ceremonyId, type Definition, fencedIn, fenceIn, recordKind } from '../records/definition.ts'
import { type Approval, approvalCodec } from '../records/identity.ts'
import type { Signed } from '../records/signed.ts'
import { atHome } from './at-home.ts'
import { closing, noteApproval, type RelayAccess } from './home-session.ts'
import { keepDefinition } from './kept-definition.ts'
import { keyBase } from './keys.ts'
import { refuseSuspendedAt } from './ledger.ts'
import { postApprovalOwned } from './post-note.ts'
import { votesOfHome } from './votes.ts'

interface ApproveWanted {
  readonly home: string
  readonly definition: Definition
  /** Sign, a file or hex: its content, kept in the home for the join. */
  readonly message: Uint8Array | undefined
  readonly trust: string | undefined
  readonly passphrase: () => Promise<Secret>
  readonly relays?: RelayAccess
}

interface Approved {
  readonly ceremony: Hash
  readonly identity: Identity
  readonly role: 'site' | 'approver'
  /** Path of the approval in this home; it may be carried to another by hand. */
  readonly file: string
  /** The others see it: a join of this home tells them, or a relay keeps the note that does. */
  readonly told: boolean
}

/** The checks of an approval, without signing: what is shown to people is only shown once they hold. */
export const refuseUnapprovable = async (wanted: Omit<ApproveWanted, 'passphrase'>): Promise<void> => {
  const disk = await openRoot(wanted.home)
  try {
    const home = await openHome(disk)
    checkApproval({ ...(await facts(wanted)), identity: home.identity })
  } finally {
    await disk.close()
  }
}

const facts = async ({ home: folder, definition, message, trust }: Omit<ApproveWanted, 'passphrase'>) => {
  const disk = await openRoot(folder)
  try {
    const home = await openHome(disk)
    const { key: keyOf, replaces, receivers, opensNoShare } = recordKind(definition)
    const key = keyOf(definition)
    const own = definition.sites.find(({ identity }) => identity === home.identity)?.name
    const holders = replaces(definition)?.sites ?? receivers(definition)
    const used = key !== null && own !== undefined && holders.includes(own) ? await keyBase(folder, key) : undefined
    if (used !== undefined && opensNoShare !== true) await refuseSuspendedAt(disk, home, used.key)
    const known =
      used === undefined
        ? undefined
        : await votesOfHome(folder, async (votes) => ({
            undecided: await undecidedVotes(votes, used.key),
            given: await givenShares(votes, used.key, used.record),
          }))
    const fence = fenceIn(definition)
    if (fence !== undefined && home.role === 'site')
      await votesOfHome(folder, (votes) => refuseOtherEmergency(votes, definition))
    const fenced = fencedIn(definition).some(({ identity }) => identity === home.identity)
    const base =
      fence !== undefined && fenced ? await keyBase(folder, fence.key) : used && { ...used, given: known?.given }
    return {
      definition,
      now: systemClock.now(),
      ...(home.role === 'site' ? { card: await home.card() } : {}),
      ...(message === undefined ? {} : { message }),
      ...(trust === undefined ? {} : { trust: parseTrust(trust) }),
      ...(base === undefined ? {} : { base }),
      ...(known === undefined ? {} : { undecided: known.undecided }),
    }
  } finally {
    await disk.close()
  }
}

/**
 * Signs the approval, and keeps it with the definition and the message. A join that runs from this home is told. Throws
 * E_CONSUMED where this site left the ceremony: an approval that was withdrawn is never given again.
 */
export const approveDefinition = async (wanted: ApproveWanted): Promise<Approved> => {
  const { definition } = wanted
  const ceremony = ceremonyId(definition)
  const checked = await facts(wanted)
  const disk = await openRoot(wanted.home)
  const home = await openHome(disk)
  try {
    const signed = await approve(await home.unlock(home.locked ? await wanted.passphrase() : undefined), checked)
    const { name } = await home.config()
    const path = `${approvalsFolder(ceremony)}/${name}.dsse`
    const kept = ownApproval(await disk.read(path), signed)
    const envelope = kept ?? toEnvelope(signed)
    await keepDefinition(disk, definition)
    await durableFolder(disk, approvalsFolder(ceremony))
    if (wanted.message !== undefined) await writeDurable(disk, messagePath(ceremony), wanted.message)
    const object = hashOf(envelope)
    const asked = { do: 'approved', ceremony, object } as const
    const at = await atHome(wanted.home, asked)
    // Of two approvals at once the one that comes second finds the first one's file, and leaves it.
    const keep = async (): Promise<void> => {
      if (ownApproval(await disk.read(path), signed) === undefined) await writeDurable(disk, path, envelope)
    }
    if ('owned' in at)
      await closing(at.owned, async (owned) => {
        await noteApproval(owned, ceremony, object)
        await keep()
      })
    else await keep()
    return {
      ceremony,
      identity: home.identity,
      role: signed.value.role,
      file: path,
      // Now that the file is there: a join that runs takes it up, else the note says so.
      told: await tell(wanted.home, definition, asked, wanted.relays ?? {}),
    }
  } finally {
    await disk.close()
  }
}

/** The bytes where they are this identity's approval of this ceremony: it was given before, and the first one counts. */
const ownApproval = (bytes: Uint8Array | undefined, { key, value }: Signed<Approval>): Uint8Array | undefined => {
  if (bytes === undefined) return undefined
  try {
    const found = fromEnvelope(approvalCodec, bytes, [key]).value
    return found.ceremony === value.ceremony && found.role === value.role ? bytes : undefined
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

const tell = async (
  folder: string,
  definition: Definition,
  asked: HomeRequest,
  relays: RelayAccess,
): Promise<boolean> => {
  const at = await atHome(folder, asked, { relays })
  if ('owned' in at) return closing(at.owned, (owned) => postApprovalOwned(owned, definition))
  return (at.done as { readonly told: boolean }).told
}
