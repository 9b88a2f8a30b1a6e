import type { SiteId } from '../lib/brand.ts'
import { ceremonyId } from '../records/definition.ts'
import { blameCodec } from '../records/round.ts'
import type { Joined, Scene } from './act.ts'
import { type Player, type Props, siteOf } from './stage.ts'

/** Where a ceremony stands, by the logs of all its sites. */
export interface End {
  /**
   * `made`: a site has the key in use, or the signature. `undecided`: some voted, and the others' votes are waited for.
   * `aborted`: a site left for good. `nothing`: nothing was made, and the definition may be run again.
   */
  readonly state: 'made' | 'undecided' | 'aborted' | 'nothing'
  /** The sites that say so by their own logs. */
  readonly by: readonly SiteId[]
  /** Sites that have not done their part of it. */
  readonly waiting: readonly SiteId[]
  /** Sites against which a proof lies in a log. */
  readonly guilty: readonly SiteId[]
}

interface Logged {
  readonly name: SiteId
  /** Names of the events that it wrote of itself. */
  readonly own: ReadonlySet<string>
  /** Sites whose votes it has. */
  readonly votes: ReadonlySet<string | null>
  readonly guilty: readonly SiteId[]
}

const loggedAt = async (props: Props, player: Player, { definition, room }: Scene): Promise<Logged> => {
  const log = await (await siteOf(props, player, room, 0)).ceremonyLog(ceremonyId(definition))
  const events = [...log.replay()]
  const proofs = events.flatMap(({ what, object }) => {
    const body = what === 'evidence' && object !== null ? log.body(object) : undefined
    return body === undefined ? [] : [blameCodec.decode(body).accused]
  })
  const own = new Set(events.filter(({ site }) => site === player.name).map(({ what }) => what))
  const votes = new Set(events.filter(({ what }) => what === 'ready').map(({ site }) => site))
  return { name: player.name, own, votes, guilty: proofs }
}

export const endOf = async (props: Props, scene: Scene, joins: readonly Joined[]): Promise<End> => {
  const logs = await Promise.all(scene.players.map((player) => loggedAt(props, player, scene)))
  const saying = (...what: readonly string[]) => logs.filter(({ own }) => what.some((one) => own.has(one)))
  const end = (state: End['state'], by: readonly Logged[], waiting: readonly Logged[]): End => ({
    state,
    by: by.map(({ name }) => name),
    waiting: waiting.map(({ name }) => name),
    guilty: [...new Set(logs.flatMap((log) => log.guilty))].sort(),
  })
  // A site that leaves the key gets no share of it, and says that its old one is destroyed.
  const made = saying('installed', 'retired', 'result', 'release', 'replaced', 'witnessed', 'readmitted', 'rebound')
  // A witness makes nothing by itself.
  if (made.some(({ own }) => !own.has('witnessed')))
    return end(
      'made',
      made,
      logs.filter((log) => !made.includes(log)),
    )
  const voted = saying('ready')
  if (voted.length > 0) {
    // A vote that nobody saw before its site was killed is waited for like one that was never given.
    const alive = logs.filter(({ name }) => joins.some(({ site, killed }) => site === name && killed === null))
    return end(
      'undecided',
      voted,
      logs.filter(({ name }) => alive.some((other) => other.name !== name && !other.votes.has(name))),
    )
  }
  const left = saying('abort')
  return left.length > 0 ? end('aborted', left, []) : end('nothing', [], [])
}
