import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Session } from '../src/ceremony/session/session.ts'
import { systemClock } from '../src/host/clock.ts'
import { systemRandom } from '../src/host/random.ts'
import { toEnvelope } from '../src/identity/dsse.ts'
import { rawSigner } from '../src/identity/ed25519.ts'
import { limitedSigner } from '../src/identity/identity-key.ts'
import type { Hash, Identity, Index, Party as Place, SiteId } from '../src/lib/brand.ts'
import { toHex } from '../src/lib/bytes.ts'
import { Secret } from '../src/lib/secret.ts'
import { loadScheme } from '../src/mpc/registry.ts'
import type { KeygenOutput, Scheme } from '../src/mpc/scheme.ts'
import { protocolIds } from '../src/records/definition-fields.ts'
import { type Channels, openChannels } from '../src/transport/channels.ts'
import { connectRelays } from '../src/transport/relay-client.ts'
import type { NoteBoard, Wire } from '../src/transport/wire.ts'
import { memoryHome } from '../test/support/home.ts'
import { memoryNetwork } from '../test/support/memory-wire.ts'
import { type Measurement, measure, type Wanted } from './measure.ts'

/**
 * A session as sites run it: mailbox, signatures and channel, warm, all sites in this process. `cpu_ms` is this process's
 * CPU divided by the sites, so it leaves out the relay, which is a process of its own.
 */

/** How many sites make a key, and new shares of it; a quorum signs. */
const SIZES = [
  { sites: 3, quorum: 2 },
  { sites: 9, quorum: 5 },
] as const
type Size = (typeof SIZES)[number]
const named = ({ sites }: Size): readonly SiteId[] => Array.from({ length: sites }, (_, at) => `site-${at}` as SiteId)
const authority = toHex(systemRandom(32)) as Hash

interface Party {
  readonly site: SiteId
  readonly signer: ReturnType<typeof rawSigner>
  readonly wire: Wire & NoteBoard
  readonly channels: Channels
  session: Session | undefined
  /** What came before this party had opened its session. */
  early: { from: SiteId; topic: Hash; bytes: Uint8Array }[]
}

type Medium = (site: SiteId, at: number) => Promise<Wire & NoteBoard>

const memory = (): Medium => {
  const network = memoryNetwork({ clock: systemClock, random: systemRandom })
  return async (site) => network.join(site)
}

/** A relay as `quorate relay serve` runs it, in a process of its own. */
const relayProcess = async (): Promise<{ url: string; identity: Identity; stop(): void }> => {
  const bin = fileURLToPath(new URL('../bin/quorate.js', import.meta.url))
  const child = spawn(process.execPath, [bin, 'relay', 'serve', '--port', '0', '--json', '--quiet'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += chunk
    if (text.trimEnd().endsWith('}')) break
  }
  const { url, identity } = JSON.parse(text) as { url: string; identity: Identity }
  return { url, identity, stop: () => child.kill('SIGTERM') }
}

const overRelay = (relay: { url: string; identity: Identity }, names: readonly SiteId[]): Medium => {
  const homes = names.map((name) => memoryHome(name))
  return async (site, at) => {
    const all = await Promise.all(homes)
    const { home } = all[at] as (typeof all)[number]
    return connectRelays({
      relays: [relay],
      authority,
      members: all.map(({ home: one }, place) => ({
        name: names[place] as SiteId,
        identity: one.identity,
        role: 'site' as const,
      })),
      self: site,
      noteSigner: limitedSigner(site, home.keys.note, ['relay-answer/v1']),
      noteCertificate: toEnvelope(home.certificates.note),
      clock: systemClock,
      random: systemRandom,
    })
  }
}

const openParties = async (medium: Medium, names: readonly SiteId[]): Promise<readonly Party[]> => {
  const homes = await Promise.all(names.map((name) => memoryHome(name)))
  const identities = new Map(homes.map(({ home }, at) => [names[at] as SiteId, home.identity]))
  let met = 0
  const parties = await Promise.all(
    names.map(async (site, at): Promise<Party> => {
      const wire = await medium(site, at)
      const channels = openChannels({
        wire,
        self: site,
        identity: identities.get(site) as Identity,
        authority,
        peers: new Map([...identities].filter(([peer]) => peer !== site)),
        staticKey: new Secret(systemRandom(32)),
        certificate: systemRandom(300),
        verifyCertificate: () => true,
        clock: systemClock,
        random: systemRandom,
        onConnected: () => {
          met += 1
        },
        onMessage: (from, topic, bytes) => {
          const party = parties.find((one) => one.site === site)
          if (party?.session === undefined) party?.early.push({ from, topic, bytes })
          else party.session.deliver(from, bytes)
        },
      })
      return { site, signer: rawSigner(new Secret(systemRandom(32))), wire, channels, session: undefined, early: [] }
    }),
  )
  while (met < names.length * (names.length - 1)) await systemClock.sleep(5)
  return parties
}

/** One session of the first `count` parties: `work` runs one party's side. */
const session = async <T>(
  parties: readonly Party[],
  count: number,
  work: (session: Session, at: number) => Promise<T>,
): Promise<readonly T[]> => {
  const attempt = toHex(systemRandom(32)) as Hash
  const members = parties.slice(0, count)
  return Promise.all(
    members.map(async (party, at) => {
      const one = new Session({
        ceremony: authority,
        attempt,
        parties: members.map(({ site, signer }) => ({ site, key: signer.key })),
        self: party.site,
        signer: party.signer,
        clock: systemClock,
        random: systemRandom,
        roundMs: 20_000,
        send: (to, bytes) => void party.channels.send(to, attempt, bytes).catch(() => undefined),
        record: () => {},
        progress: () => {},
      })
      party.session = one
      for (const { from, bytes } of party.early.splice(0)) one.deliver(from, bytes)
      try {
        return await work(one, at)
      } finally {
        party.session = undefined
      }
    }),
  )
}

const keygen = (parties: readonly Party[], protocols: Scheme, { sites, quorum }: Size) =>
  session(parties, sites, (one) =>
    protocols.keygen.run(
      one.mailbox(protocols.keygen),
      { threshold: quorum, parties: sites },
      { random: systemRandom },
    ),
  )

const refresh = (parties: readonly Party[], protocols: Scheme, size: Size, keys: readonly KeygenOutput[]) =>
  session(parties, size.sites, (one, at) => {
    const { publicKey, verifyingShares, share } = keys[at] as KeygenOutput
    const context = { threshold: size.quorum, parties: size.sites, publicKey, verifyingShares }
    return protocols.refresh.run(one.mailbox(protocols.refresh), { ...context, share }, { random: systemRandom })
  })

const sign = (parties: readonly Party[], protocols: Scheme, { quorum }: Size, keys: readonly KeygenOutput[]) => {
  const message = systemRandom(32)
  const indices = Array.from({ length: quorum }, (_, at) => (at + 1) as Index)
  return session(parties, quorum, (one, at) => {
    const { publicKey, verifyingShares, share } = keys[at] as KeygenOutput
    const context = { threshold: quorum, publicKey, indices, verifyingShares, message }
    return protocols.sign.run(one.mailbox(protocols.sign), { ...context, share }, { random: systemRandom })
  })
}

const perSite = (one: Measurement, sites: number): Measurement => ({
  ...one,
  cpu_ms: Math.round((one.cpu_ms / sites) * 1000) / 1000,
})

/** All deal and all receive, as where a quorum changes. */
const reshare = (parties: readonly Party[], protocols: Scheme, size: Size, keys: readonly KeygenOutput[]) =>
  session(parties, size.sites, (one, at) => {
    const { publicKey, verifyingShares, share } = keys[at] as KeygenOutput
    const places = Array.from({ length: size.sites }, (_, place) => (place + 1) as Place)
    const input = {
      publicKey,
      verifyingShares,
      oldThreshold: size.quorum,
      dealers: places.map((party) => ({ party, index: Number(party) as Index })),
      receivers: places,
      threshold: size.quorum,
      share,
    }
    return protocols.reshare.run(one.mailbox(protocols.reshare), input, { random: systemRandom })
  })

/** The first quorum helps the site after it. */
const repair = (parties: readonly Party[], protocols: Scheme, { quorum }: Size, keys: readonly KeygenOutput[]) =>
  session(parties, quorum + 1, (one, at) => {
    const { publicKey, verifyingShares, share } = keys[at] as KeygenOutput
    const holder = (place: number) => ({ party: (place + 1) as Place, index: (place + 1) as Index })
    const input = {
      publicKey,
      verifyingShares,
      threshold: quorum,
      helpers: Array.from({ length: quorum }, (_, place) => holder(place)),
      mended: holder(quorum),
      share: at < quorum ? share : undefined,
    }
    return protocols.repair.run(one.mailbox(protocols.repair), input, { random: systemRandom })
  })

interface Work {
  run(parties: readonly Party[], protocols: Scheme, size: Size, keys: readonly KeygenOutput[]): Promise<unknown>
  readonly times: number
  readonly warm: number
  /** How many sites take part. */
  sites(size: Size): number
}

const all = { times: 15, warm: 3, sites: ({ sites }: Size) => sites }
const works: Readonly<Record<string, Work>> = {
  keygen: { ...all, run: keygen },
  refresh: { ...all, run: refresh },
  reshare: { ...all, run: reshare },
  repair: { ...all, run: repair, sites: ({ quorum }) => quorum + 1 },
  sign: { run: sign, times: 30, warm: 5, sites: ({ quorum }) => quorum },
}

/** `refresh/frost-ed25519/relay/9`. */
const nameOf = (what: string, id: string, where: string, { sites }: Size): string => `${what}/${id}/${where}/${sites}`

const measureOver = async (where: string, medium: Medium, size: Size, wanted: Wanted): Promise<Measurement[]> => {
  const measured: Measurement[] = []
  const parties = await openParties(medium, named(size))
  for (const id of protocolIds) {
    const asked = Object.entries(works).filter(([what]) => wanted(nameOf(what, id, where, size)))
    if (asked.length === 0) continue
    const protocols = await loadScheme(id)
    const keys = await keygen(parties, protocols, size)
    for (const [what, { run, times, warm, sites }] of asked) {
      const name = nameOf(what, id, where, size)
      const work = () => run(parties, protocols, size, keys)
      measured.push(perSite(await measure(name, times, work, warm), sites(size)))
    }
  }
  await Promise.all(parties.map((party) => party.channels.close()))
  await Promise.all(parties.map((party) => party.wire.close()))
  return measured
}

export default async (wanted: Wanted): Promise<Measurement[]> => {
  const some = (where: string, size: Size): boolean =>
    protocolIds.some((id) => Object.keys(works).some((what) => wanted(nameOf(what, id, where, size))))
  const measured: Measurement[] = []
  for (const size of SIZES) {
    if (some('memory', size)) measured.push(...(await measureOver('memory', memory(), size, wanted)))
    if (!some('relay', size)) continue
    const relay = await relayProcess()
    try {
      measured.push(...(await measureOver('relay', overRelay(relay, named(size)), size, wanted)))
    } finally {
      relay.stop()
    }
  }
  return measured
}
