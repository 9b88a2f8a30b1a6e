import { join as joinPath } from 'node:path'
import { definitionAuthority } from '../ceremony/authority.ts'
import { ceremonyFolder, definitionPath, messagePath } from '../ceremony/home-paths.ts'
import { type JoinResult, joinCeremony } from '../ceremony/join.ts'
import type { Progress } from '../ceremony/progress.ts'
import { boundBy } from '../ceremony/status.ts'
import { durableFolder, writeDurable } from '../lib/durable.ts'
import { QuorateError } from '../lib/errors.ts'
import { ceremonyId, type Definition, definitionCodec } from '../records/definition.ts'
import { keptDefinition, type OwnedHome, openSite, ownHome, type SiteSecrets } from './open.ts'

export interface JoinWanted extends SiteSecrets {
  readonly home: string
  readonly definition: Definition
  readonly check: boolean
  readonly progress: (event: Progress) => void
  readonly signal: AbortSignal
}

/** A join's result with paths that a person can use. */
export type Joined = Omit<JoinResult, 'bundle'> & { readonly bundle: string | null }

/** Keeps the definition in the home, so that status, abort and a later join need no file. */
export const keepDefinition = async ({ disk }: Pick<OwnedHome, 'disk'>, definition: Definition): Promise<void> => {
  const ceremony = ceremonyId(definition)
  if ((await keptDefinition(disk, ceremony)) !== undefined) return
  await durableFolder(disk, ceremonyFolder(ceremony))
  await writeDurable(disk, definitionPath(ceremony), definitionCodec.encode(definition))
}

/** Runs one site's side of a ceremony. While it runs, this process answers for the home: `abort` and `approve` hand it their work. */
export const join = async (wanted: JoinWanted): Promise<Joined> => {
  const owned = await ownHome(wanted.home)
  const stop = new AbortController()
  const relay = (): void => stop.abort(wanted.signal.reason instanceof QuorateError ? wanted.signal.reason : stopped())
  if (wanted.signal.aborted) relay()
  wanted.signal.addEventListener('abort', relay, { once: true })
  try {
    const { definition } = wanted
    await keepDefinition(owned, definition)
    const site = await openSite(owned, wanted)
    const authority = definitionAuthority(definition)
    const message = definition.kind === 'sign' ? ((await owned.disk.read(messagePath(authority.hash))) ?? null) : null
    const result = await joinCeremony(site, definition, {
      progress: wanted.progress,
      signal: stop.signal,
      message,
      check: wanted.check,
      control: (control) =>
        owned.claim.handle(async (request) => {
          if (request.ceremony !== authority.hash)
            return {
              ok: false,
              code: 'E_HOME_BUSY',
              message: 'this home is running another ceremony',
              hint: 'wait until it ends, then run the same command again',
            }
          if (request.do === 'abort') {
            const bound = boundBy(definition.kind, control.log, control.site)
            if (bound !== undefined)
              return {
                ok: false,
                code: 'E_NOT_ALLOWED',
                message: `this site cannot leave any more: ${bound}`,
                hint: 'let the join finish',
              }
            await control.leave(request.reason ?? 'stopped by the operator')
            stop.abort(
              new QuorateError('E_ABORTED', 'this site left the ceremony', 'plan a new definition when all agree'),
            )
          }
          if (request.do === 'approved') await control.approved()
          return { ok: true, result: null }
        }),
    })
    return { ...result, bundle: result.bundle === null ? null : joinPath(wanted.home, result.bundle) }
  } finally {
    wanted.signal.removeEventListener('abort', relay)
    await owned.close()
  }
}

const stopped = (): QuorateError =>
  new QuorateError(
    'E_STOPPED',
    'stopped by the operator',
    'run the same command again to go on; what was voted for or signed is safe on the disk',
  )
