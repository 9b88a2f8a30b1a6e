import { join as joinPath } from 'node:path'
import { type Authority, definitionAuthority } from '../ceremony/definition/authority.ts'
import { abortedHere } from '../ceremony/engine/aborts.ts'
import { joinCeremony } from '../ceremony/engine/join.ts'
import type { JoinResult } from '../ceremony/engine/result.ts'
import { messagePath } from '../ceremony/paths.ts'
import type { Progress } from '../ceremony/progress.ts'
import { forgetLastJoin, keepLastJoin } from '../ceremony/status/last-join.ts'
import { systemClock } from '../host/clock.ts'
import { openRoot } from '../host/disk.ts'
import { openHome } from '../identity/home.ts'
import { fromUtf8 } from '../lib/bytes.ts'
import { type ErrorCode, QuorateError } from '../lib/errors.ts'
import { ceremonyId, definitionCodec, recordKind } from '../records/definition.ts'
import type { Topic } from '../records/kinds/kind.ts'
import { atHome } from './at-home.ts'
import { HomeOwner, type JoinOrder, type RunningJoin } from './home-owner.ts'
import { type RelayAccess, type SiteSecrets, unreached } from './home-session.ts'
import { keepDefinition } from './kept-definition.ts'

/** A relay that has not answered by then is named. */
const RELAYS_MS = 6000

interface JoinWanted extends SiteSecrets, JoinOrder {
  readonly home: string
  readonly relays?: RelayAccess
}

/** A join's result with paths that a person can use. */
export type Joined = Omit<JoinResult, 'bundle'> & { readonly bundle: string | null }

/**
 * Runs one site's side of a ceremony. This process then answers for the home, and serves its other ceremonies until the last
 * of them has ended; where another process owns the home, that one runs the ceremony, and this one shows how it goes.
 */
export const join = async (wanted: JoinWanted): Promise<Joined> => {
  const { home, definition, check, signal, progress } = wanted
  const ceremony = ceremonyId(definition)
  const request = { do: 'join', ceremony, definition: fromUtf8(definitionCodec.encode(definition)), check } as const
  const at = await atHome(home, request, {
    // As long as it would wait for the others.
    patience: definition.deadlines.gather * 1000,
    onEvent: (event) => progress(event as Progress),
    signal,
    beforeHanding: async () => {
      await refuseWithoutPassphrase(wanted)
      const unused = unusedWhenHanded(wanted)
      if (unused.length > 0) progress({ phase: 'handed-over', unused })
    },
    ...(wanted.relays === undefined ? {} : { relays: wanted.relays }),
  })
  if ('done' in at) return at.done as Joined
  const owner = new HomeOwner(at.owned, wanted, runJoin)
  const stop = (): void => void owner.leave(true)
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await runJoin(owner, wanted)
  } finally {
    if (owner.serving > 0) progress({ phase: 'serving', others: owner.serving })
    await owner.leave(signal.aborted)
    signal.removeEventListener('abort', stop)
    await at.owned.close()
  }
}

const unusedWhenHanded = ({ relays, kmsPassphrase }: JoinWanted): (Progress & { phase: 'handed-over' })['unused'] => [
  ...(relays?.relayCa === undefined ? [] : (['relay authority'] as const)),
  ...(kmsPassphrase === undefined ? [] : (['KMS passphrase'] as const)),
]

/** Another process may have unlocked this home; who asks it to join must know the passphrase all the same. */
const refuseWithoutPassphrase = async ({ home: folder, passphrase }: JoinWanted): Promise<void> => {
  const disk = await openRoot(folder)
  try {
    const home = await openHome(disk)
    if (home.locked) await home.unlock(await passphrase())
  } finally {
    await disk.close()
  }
}

const unlessStopped = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })

/** One ceremony in a home that this process owns. */
const runJoin = (owner: HomeOwner, order: JoinOrder): Promise<Joined> => {
  const authority = definitionAuthority(order.definition)
  return owner.run(authority.hash, (offer) => runOwned(owner, authority, order, offer))
}

const runOwned = async (
  owner: HomeOwner,
  authority: Authority,
  order: JoinOrder,
  offer: (running: RunningJoin) => void,
): Promise<Joined> => {
  const { owned } = owner
  const { definition, check, progress, signal } = order
  const stop = new AbortController()
  const relay = (): void => stop.abort(stopReason(signal.reason))
  if (signal.aborted) relay()
  signal.addEventListener('abort', relay, { once: true })
  let cutOff: readonly string[] = []
  try {
    await keepDefinition(owned.disk, definition)
    await forgetLastJoin(owned.disk, authority.hash)
    // Another command may be asked for its passphrase meanwhile: whoever stops does not wait for that.
    const site = await unlessStopped(owner.site(), stop.signal)
    const connect: typeof site.connect = async (to) => {
      const room = await site.connect(to)
      const told = new Set<string>()
      const tellSilent = (): void => {
        const silent = unreached(room)
        if (silent.length === definition.relays.length) return
        for (const { url, why } of silent) if (!told.has(url)) progress({ phase: 'relay', url, why })
        for (const { url } of silent) told.add(url)
      }
      const closing = new AbortController()
      systemClock.sleep(RELAYS_MS, closing.signal).then(tellSilent, () => undefined)
      return {
        ...room,
        close: () => {
          closing.abort()
          tellSilent()
          const silent = unreached(room)
          if (silent.length === definition.relays.length) cutOff = silent.map(({ url }) => url)
          return room.close()
        },
      }
    }
    const message = (await owned.disk.read(messagePath(authority.hash))) ?? null
    const result = await joinCeremony({ ...site, connect }, definition, {
      progress,
      signal: stop.signal,
      message,
      check,
      control: (control) => offer({ control, stop: (error) => stop.abort(error) }),
    })
    if (!check) await keepLastJoin(owned.disk, authority.hash, systemClock.now(), result.open)
    return { ...result, bundle: result.bundle === null ? null : joinPath(owned.folder, result.bundle) }
  } catch (failure) {
    const error = asSeenHere(failure, {
      home: owned.folder,
      topic: recordKind(definition).topic,
      cutOff,
      left: (stop.signal.reason as { code?: unknown } | undefined)?.code === 'E_ABORTED',
    })
    // A site that has not approved yet has not joined.
    if (error instanceof QuorateError && error.code !== 'E_NOT_APPROVED')
      await keepLastJoin(owned.disk, authority.hash, systemClock.now(), error)
    throw error
  } finally {
    signal.removeEventListener('abort', relay)
  }
}

/** Faults that name those who were not heard of. */
const UNHEARD: readonly ErrorCode[] = ['E_APPROVALS_MISSING', 'E_QUORUM', 'E_PEER_SILENT', 'E_NOT_FINISHED']

/** A ceremony's fault in the words of this machine: its own leaving, whole paths, and relays that were gone at the end. */
const asSeenHere = (
  error: unknown,
  seen: {
    readonly home: string
    readonly topic: Topic
    readonly cutOff: readonly string[]
    readonly left: boolean
  },
): unknown => {
  if (!(error instanceof QuorateError)) return error
  const { code, details } = error
  const message = code === 'E_ABORTED' && seen.left ? abortedHere().message : error.message
  // A site that was not heard of may be there: where every relay was gone, mend that first.
  if (seen.cutOff.length > 0 && UNHEARD.includes(code))
    return new QuorateError(
      code,
      message,
      `no relay answers here any more (${seen.cutOff.join(', ')}): start one of the definition or check the network; then all run \`quorate ${seen.topic} join\` again`,
      { ...details, unreachable: seen.cutOff },
      error,
    )
  const { bundle } = details
  if (typeof bundle !== 'string') return new QuorateError(code, message, error.template, details, error)
  const path = joinPath(seen.home, bundle)
  return new QuorateError(code, message, error.template, { ...details, bundle: path }, error)
}

/** A command that is stopped does not know what a join leaves behind; this does. */
const stopReason = (reason: unknown): QuorateError =>
  reason instanceof QuorateError && reason.code !== 'E_STOPPED'
    ? reason
    : new QuorateError(
        'E_STOPPED',
        'stopped by the operator',
        'run the same command again to go on; what was voted for or signed is safe on the disk',
      )
