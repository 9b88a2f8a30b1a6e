import { expect, it } from 'vitest'
import { Frontier, leafHash } from '../../src/audit/merkle.ts'
import { ceremonyOrigin, signCheckpoint } from '../../src/audit/note.ts'
import type { PeerMessage } from '../../src/ceremony/peers/peer-message.ts'
import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import { toFault } from '../../src/cli/fault.ts'
import type { SiteId } from '../../src/lib/brand.ts'
import { concat, fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import type { Definition } from '../../src/records/definition.ts'
import { eventCodec, type LogEvent } from '../../src/records/event.ts'
import { open } from '../support/bundles.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { memoryWorld } from '../support/memory-site.ts'
import { approveAll, joinAs, type Liar } from './ceremonies.ts'

/** At the end of a ceremony one liar fills every place that it can: the honest sites close, and miss nothing but what is its. */

const names = ['s1', 's2', 's3', 's4'] as SiteId[]
const s4 = names[3] as SiteId

type LogMessage = Extract<PeerMessage, { is: 'log' }>

const eventsIn = ({ events }: LogMessage): LogEvent[] =>
  fromUtf8(events)
    .split('\n')
    .filter(Boolean)
    .map((line) => eventCodec.decode(utf8(line)))

/** The log of a liar with these events, under its own key. */
const resigned = ({ site, authority }: Ceremony, message: LogMessage, events: readonly LogEvent[]): PeerMessage => {
  const bytes = events.map((event, seq) => eventCodec.encode({ ...event, seq }))
  const frontier = new Frontier()
  for (const one of bytes) frontier.append(leafHash(one))
  const origin = ceremonyOrigin(authority.hash, site.home.identity)
  const checkpoint = signCheckpoint({ origin, size: frontier.size, root: frontier.root() }, site.home.keys.log)
  return { ...message, events: concat(...bytes.flatMap((one) => [one, utf8('\n')])), checkpoint: utf8(checkpoint) }
}

/** `allowed`: sites of which something may be missing. */
const closesWithout = async (
  liarIn: (definition: Definition) => Liar,
  allowed: readonly SiteId[] = [s4],
  sites: readonly SiteId[] = names,
) => {
  const world = await memoryWorld(sites)
  const definition = await keygenDefinition({
    sites: await siteEntries(sites),
    deadlines: { gather: 30, proposal: 5, round: 30, close: 16 },
  })
  await approveAll(world, sites, definition)
  const liar = liarIn(definition)
  const all = await Promise.all(
    sites.map((name) => joinAs(world, name, definition, null, name === s4 ? liar : undefined)),
  )
  for (const one of all) {
    if (one.site === s4) continue
    expect(one.error === undefined ? 'closed' : toFault(one.error).code).toBe('closed')
    const missing = one.result?.open ?? []
    expect(missing.filter((point) => !allowed.some((name) => point.startsWith(name)))).toEqual([])
  }
  return { all, world }
}

it('a liar that cosigns the logs of sites that there are not crowds out nobody', () =>
  closesWithout(() => {
    const told = new Set<string>()
    return {
      site: s4,
      ceremony: undefined,
      post: (_topic, _to, bytes) => [bytes],
      talk(to, message) {
        if (told.has(to)) return [message]
        told.add(to)
        const junk = Array.from(
          { length: 256 * 3 },
          (_, n): PeerMessage => ({ is: 'cosignature', of: `junk-${n}` as SiteId, line: utf8('x') }),
        )
        return [message, ...junk]
      },
    }
  }))

it('a liar whose log names more bodies than one message can ask for ends no honest join', () =>
  closesWithout(() => {
    let forged: PeerMessage | undefined
    const liar: Liar = {
      site: s4,
      ceremony: undefined,
      post: (_topic, _to, bytes) => [bytes],
      talk(_to, message) {
        if (message.is !== 'log' || liar.ceremony === undefined) return [message]
        if (forged !== undefined) return [forged]
        const events = eventsIn(message)
        const last = events.pop() ?? expect.fail('an empty log')
        const junk = Array.from({ length: 5000 }, (_, n) => ({
          ...last,
          what: 'hello' as const,
          site: s4,
          object: hashOf(utf8(`no ${n}`)),
        }))
        forged = resigned(liar.ceremony, message, [...events, ...junk, last])
        return [forged]
      },
    }
    return liar
    // Nobody cosigns a log whose bodies are not here: that is missing of all others, too.
  }, names))

const DAY = 86_400_000

it.each([
  ['a day older than its site signed', -DAY],
  ['that ends tomorrow', DAY],
])('a log %s is taken in by no honest site', async (_, by) => {
  const liar: Liar = {
    site: s4,
    ceremony: undefined,
    post: (_topic, _to, bytes) => [bytes],
    talk: (_to, message) =>
      message.is === 'log' && liar.ceremony !== undefined
        ? [
            resigned(
              liar.ceremony,
              message,
              eventsIn(message).map((event) => ({ ...event, at: event.at + by })),
            ),
          ]
        : [message],
  }
  const few = names.slice(1)
  const { all, world } = await closesWithout(() => liar, few, few)
  for (const { site, result } of all) {
    if (site === s4) continue
    const bytes = await world.homes.get(site)?.disk.read(result?.bundle ?? expect.fail('no bundle'))
    const { manifest } = await open(bytes ?? expect.fail('no bundle'))
    expect(manifest.logs).toEqual(few.filter((name) => name !== s4))
  }
})
