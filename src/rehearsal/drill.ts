import { refuseErrors } from '../ceremony/definition/finding.ts'
import { keyBaseOf } from '../ceremony/definition/key-base.ts'
import { lint } from '../ceremony/definition/lint.ts'
import type { KeyBase } from '../ceremony/definition/lint-key.ts'
import { fileMessage } from '../ceremony/definition/message.ts'
import { planEmergency, planRefresh, planReshare, planSign } from '../ceremony/definition/plan.ts'
import { heldEpoch, newestEpoch } from '../ceremony/epoch/epoch.ts'
import { sayOfKey, suspendedIn } from '../ceremony/epoch/suspended.ts'
import { makeCard } from '../identity/card.ts'
import { openHome } from '../identity/home.ts'
import type { Hash, SiteId } from '../lib/brand.ts'
import { utf8 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Clock } from '../lib/ports.ts'
import { loadScheme } from '../mpc/registry.ts'
import { type Definition, receiversIn } from '../records/definition.ts'
import type { Incident } from '../records/drill.ts'
import { joinAll } from './act.ts'
import { endOf } from './end.ts'
import { memoryRoom } from './memory-room.ts'
import { castOf, DAY, throwAwayKey, timeAt } from './rehearsed.ts'
import { seededRandom } from './seeded-random.ts'
import { approveAs, cardOf, type Player, type Props, siteOf, sitePlayer } from './stage.ts'
import { stillClock } from './still-clock.ts'

/** One ceremony of a drill, and its time. */
interface Step {
  readonly what: string
  readonly state: 'made' | 'undecided' | 'aborted' | 'nothing'
  /** Milliseconds that it may take; null: as long as it does. */
  readonly limit: number | null
  /** Milliseconds of the fast clock. */
  readonly waited: number
  /** Milliseconds of real time, of all sites together. */
  readonly measured: number
  readonly met: boolean
}

/** Steps after one that was not met are not played. */
export interface Drill {
  readonly incident: Incident
  /** The site to which it happens. */
  readonly site: SiteId
  readonly steps: readonly Step[]
  readonly met: boolean
}

interface Wanted extends Omit<Props, 'clock'> {
  /** Any definition of the estate: its sites, quorum, protocol and deadlines are what is drilled. */
  readonly definition: Definition
  readonly incident: Incident
  /** undefined: the last one. */
  readonly site: string | undefined
  readonly clock: Clock
}

interface Ceremony {
  readonly what: string
  readonly definition: Definition
  readonly players: readonly Player[]
  readonly message?: Uint8Array
  readonly limit: number | null
  /** Looks at what the ceremony left; absent: that it was made is enough. */
  readonly holds?: () => Promise<boolean>
}

/** Within this time a fresh key signs, in milliseconds. */
const EMERGENCY = 4 * 3_600_000
const MESSAGE = utf8('quorate drill: this is signed by a throw-away key.\n')

/** The estate that an incident befalls. */
class Estate {
  readonly props: Props
  readonly definition: Definition
  #key: Hash
  #played = 0

  constructor(props: Props, definition: Definition, key: Hash) {
    this.props = props
    this.definition = definition
    this.#key = key
  }

  /** The newest epoch as one of its sites has it, and what every plan of the estate says. */
  async plan(at: Player): Promise<{ readonly common: Omit<Definition, 'kind'> & { readonly key: KeyBase } }> {
    const site = await siteOf(this.props, at, memoryRoom(), 0)
    const key = await keyBaseOf(site, await heldEpoch(site, this.#key))
    const now = this.props.clock.now()
    const { attempts, deadlines } = this.definition
    const window = { opens: timeAt(now - DAY), closes: timeAt(now + DAY) }
    return { common: { ...key.definition, name: 'drill', window, attempts, deadlines, key } }
  }

  async play({ what, definition, players, message, limit, holds }: Ceremony): Promise<Step> {
    const { props } = this
    for (const player of players) await approveAs(props, player, definition, [player])
    const scene = { definition, players, room: memoryRoom(), message: message ?? null }
    const [begun, started] = [props.clock.monotonic(), props.stopwatch()]
    this.#played += 1
    const joins = await joinAll(props, scene, this.#played * 1000)
    const waited = Math.round(props.clock.monotonic() - begun)
    const measured = Math.round(props.stopwatch() - started)
    const { state } = await endOf(props, scene, joins)
    const whole = state === 'made' && joins.every(({ result }) => result !== null) && (await holds?.()) !== false
    return { what, state, limit, waited, measured, met: whole && (limit === null || waited + measured <= limit) }
  }

  async sign(what: string, players: readonly Player[], limit: number | null): Promise<Step> {
    const { common } = await this.plan(players[0] as Player)
    const { definition } = planSign(
      { ...common, message: fileMessage('drill.txt', MESSAGE), signers: 'any' },
      this.random(what),
    )
    return this.play({ what, definition, players, message: MESSAGE, limit })
  }

  /** One site suspends the key, and no ceremony gets its share any more. */
  async suspend(player: Player, reason: string, limit: number): Promise<Step> {
    const { clock, stopwatch } = this.props
    const site = await siteOf(this.props, player, memoryRoom(), 0)
    const [begun, started] = [clock.monotonic(), stopwatch()]
    await sayOfKey(site.ledger, clock, { key: this.#key, reason, suspended: true })
    const refused = await newestEpoch(site, this.#key).then(
      () => false,
      (error: unknown) => error instanceof QuorateError && error.code === 'E_NOT_ALLOWED',
    )
    const [waited, measured] = [Math.round(clock.monotonic() - begun), Math.round(stopwatch() - started)]
    const state = refused ? 'made' : 'nothing'
    const what = `${player.name} suspends the key, and opens its share no more`
    return { what, state, limit, waited, measured, met: refused && waited + measured <= limit }
  }

  /** True where every one of these sites suspended the key. */
  async isSuspendedAt(players: readonly Player[]): Promise<boolean> {
    const sites = await Promise.all(players.map((player) => siteOf(this.props, player, memoryRoom(), 0)))
    return sites.every(({ ledger }) => suspendedIn(ledger).has(this.#key))
  }

  /** From now on the estate is that of the key which an emergency made. */
  async adopt(player: Player): Promise<void> {
    const { shards } = await siteOf(this.props, player, memoryRoom(), 0)
    const fresh = (await shards.list()).find(({ key, state }) => key !== this.#key && state === 'installed')
    if (fresh === undefined) throw new Error('no fresh key')
    this.#key = fresh.key
  }

  /** True where a site can open its share of an epoch no more. */
  async hasDestroyed(player: Player, epoch: number): Promise<boolean> {
    const { shards } = await siteOf(this.props, player, memoryRoom(), 0)
    return (await shards.list()).some(({ core, state }) => core.epoch === epoch && state === 'retired')
  }

  random(what: string): ReturnType<typeof seededRandom> {
    return seededRandom(`${this.props.seed} drill ${what}`)
  }
}

type Story = (estate: Estate, players: readonly Player[], site: Player) => AsyncIterable<Step>

/** One row an incident; the rows of the calendar are the same. */
const stories: Readonly<Record<Incident, Story>> = {
  async *'shard-compromised'(estate, players, site) {
    const { common } = await estate.plan(site)
    const { definition } = planRefresh({ ...common, supersedes: [] }, estate.random('refresh'))
    yield estate.play({
      what: `new shares at all sites, and the old one of ${site.name} destroyed`,
      ...{ definition, players, limit: DAY, holds: () => estate.hasDestroyed(site, common.key.epoch) },
    })
    yield estate.sign('a signature by new shares', players, null)
  },
  async *'site-lost'(estate, players, site) {
    const others = players.filter((player) => player !== site)
    yield estate.sign(`a signature without ${site.name}`, others, 60_000)
    const { common } = await estate.plan(others[0] as Player)
    const { identity: _, measurement: __, ...old } = await cardOf(site)
    const name = `${old.name.slice(0, 28)}-new` as SiteId
    const mended = await sitePlayer(estate.props, { ...old, name })
    const receivers = players.map((player) => (player === site ? mended : player))
    const { definition } = planReshare(
      {
        ...common,
        supersedes: [],
        threshold: estate.definition.threshold,
        to: await Promise.all(receivers.map(cardFile)),
        without: [site.name],
      },
      estate.random('reshare'),
    )
    yield estate.play({ what: `${site.name} replaced by ${name}`, definition, players: receivers, limit: null })
    yield estate.sign(`a signature with ${name}`, receivers, null)
  },
  async *attack(estate, players, site) {
    const reason = 'drilled: an attack on several sites'
    yield estate.suspend(site, reason, 60_000)
    const { common } = await estate.plan(site)
    const { definition } = planEmergency(
      {
        ...common,
        ...{ reason, to: [], threshold: estate.definition.threshold, sweep: common.window.closes },
      },
      estate.random('emergency'),
    )
    const made = await estate.play({
      what: 'a fresh key, and the old one suspended at every site',
      ...{ definition, players, limit: EMERGENCY, holds: () => estate.isSuspendedAt(players) },
    })
    yield made
    await estate.adopt(site)
    yield estate.sign('a signature with the fresh key', players, EMERGENCY - made.waited - made.measured)
  },
}

const cardFile = async ({ disk }: Player): Promise<Uint8Array> => {
  const home = await openHome(disk)
  return makeCard(await home.unlock(), await home.card())
}

/**
 * Plays an incident in memory. Throws E_DEFINITION where the estate's definition could not be run at all, and E_USAGE where
 * the site holds no share.
 */
export const drill = async (wanted: Wanted): Promise<Drill> => {
  const { definition, incident } = wanted
  refuseErrors(lint(definition))
  const holders = receiversIn(definition).map(({ name }) => name)
  const struck = wanted.site === undefined ? holders.at(-1) : holders.find((name) => name === wanted.site)
  if (struck === undefined)
    throw new QuorateError(
      'E_USAGE',
      '--site names no site that holds a share by this definition',
      `give one of ${holders.join(', ')}`,
    )
  const clock = stillClock(wanted.clock.now())
  const props: Props = { ...wanted, clock }
  await clock.hold(loadScheme(definition.protocol))
  try {
    const { sites } = await castOf(props, definition)
    const players = holders.map((name) => sites.find((player) => player.name === name) as Player)
    const { key } = await throwAwayKey(props, definition, players, definition.threshold)
    const estate = new Estate(props, definition, key)
    const site = players.find(({ name }) => name === struck) as Player
    const steps: Step[] = []
    for await (const step of stories[incident](estate, players, site)) {
      steps.push(step)
      if (!step.met) break
    }
    return { incident, site: struck, steps, met: steps.every(({ met }) => met) }
  } finally {
    clock.stop()
  }
}
