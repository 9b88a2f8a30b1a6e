import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { QuorateError } from '../lib/errors.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import type { Topic } from '../records/kinds/kind.ts'
import { Child, parsed } from './demo-child.ts'
import { demoSites } from './demo-sites.ts'
import type { Joined } from './join.ts'

/** A whole ceremony on one machine: a relay and each site's join as processes of their own, on loopback. */

interface DemoWanted {
  /** Folder that is made; everything lies in it. */
  readonly folder: string
  readonly protocol: ProtocolId
  readonly sites: number
  readonly threshold: number
  /** New shares too, a lost share made again, shares for more sites; a signature after each, and an old record that is refused. */
  readonly tour: boolean
  /** bin/quorate.js: what the processes run. */
  readonly bin: string
  /** Environment of the processes. */
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal
  readonly tell: (step: DemoStep) => void
}

type DemoKind = 'keygen' | 'sign' | 'refresh' | 'reshare' | 'repair'
const TOPICS: Readonly<Record<DemoKind, Topic>> = {
  keygen: 'keygen',
  sign: 'sign',
  refresh: 'rotate',
  reshare: 'rotate',
  repair: 'recover',
}

export type DemoStep =
  | {
      readonly step: 'start'
      readonly protocol: ProtocolId
      readonly threshold: number
      readonly sites: readonly string[]
      readonly folder: string
    }
  | { readonly step: 'relay'; readonly url: string; readonly process: number }
  | {
      readonly step: 'joined'
      readonly kind: DemoKind
      readonly sites: readonly string[]
      readonly processes: readonly number[]
    }
  | { readonly step: 'progress'; readonly event: Record<string, unknown> }
  | { readonly step: 'done'; readonly phase: string; readonly ms: number }
  | { readonly step: 'refused'; readonly message: string }
  | { readonly step: 'lost'; readonly site: string }
  | { readonly step: 'history'; readonly verdict: string; readonly epochs: number }
  | { readonly step: 'verified'; readonly bundle: string; readonly checks: number; readonly same: boolean }

export interface DemoResult {
  readonly folder: string
  readonly key: { readonly id: string; readonly protocol: string; readonly publicKey: string }
  readonly signatures: readonly {
    readonly message: string
    readonly signature: string
    readonly signers: readonly string[]
  }[]
  readonly bundles: readonly string[]
  readonly verdicts: readonly {
    readonly bundle: string
    readonly verdict: string
    readonly checks: number
    readonly open: number
    readonly same: boolean
  }[]
  /** The verdict on all bundles together; null without the tour. */
  readonly history: { readonly verdict: string; readonly epochs: number } | null
  readonly trust: string
  readonly phases: readonly { readonly name: string; readonly ms: number }[]
  readonly processes: readonly number[]
}

const NAMES = ['eu', 'us', 'ap', 'sa', 'af', 'uk', 'jp', 'au', 'ca', 'in', 'kr', 'sg'] as const
const MESSAGE = 'Quorate demo: two of three sites signed this.\n'
const SECOND = 'Quorate demo: sites signed this with new shares of the same key.\n'
const MENDED = 'Quorate demo: a machine in the place of a lost one signed this with others.\n'
const THIRD = 'Quorate demo: more sites signed this, some of which were not there when the key was made.\n'
/** Sites that the key is handed on to in the tour, besides those that have it. */
const NEWCOMERS = 2

export const runDemo = async (wanted: DemoWanted): Promise<DemoResult> => {
  const { folder, protocol, threshold, bin, signal, tell } = wanted
  const room = wanted.tour ? NAMES.length - NEWCOMERS : NAMES.length
  const sites = NAMES.slice(0, wanted.sites)
  if (wanted.sites > room || threshold > sites.length)
    throw new QuorateError(
      'E_USAGE',
      `the demo has room for ${room} sites, and a threshold of at most their number`,
      'give smaller --sites and --threshold',
    )
  await makeFolder(folder)
  tell({ step: 'start', protocol, threshold, sites, folder })
  const children: Child[] = []
  const phases: { name: string; ms: number }[] = []
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const begun = performance.now()
    const made = await work()
    const ms = Math.round(performance.now() - begun)
    phases.push({ name, ms })
    tell({ step: 'done', phase: name, ms })
    return made
  }
  const home = (site: string): string => join(folder, site)
  const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}, follow = false): Child => {
    signal.throwIfAborted()
    const child = new Child(bin, args, { ...wanted.env, ...env }, (event) => {
      if (follow) tell({ step: 'progress', event })
    })
    children.push(child)
    return child
  }
  const stopAll = (): void => {
    for (const child of children) child.process.kill('SIGTERM')
  }
  signal.addEventListener('abort', stopAll)

  try {
    const relay = await timed('relay', () => startRelay(start))
    tell({ step: 'relay', url: relay.url, process: relay.pid })

    const use = await timed('identities', () => demoSites(folder, sites))
    const joinAll = async (kind: DemoKind, who: readonly string[], definition: string): Promise<readonly Joined[]> => {
      const joins = who.map((site, at) =>
        start([TOPICS[kind], 'join', '--definition', definition], { QUORATE_HOME: home(site) }, at === 0),
      )
      tell({ step: 'joined', kind, sites: who, processes: joins.map((child) => child.pid) })
      return (await Promise.all(joins.map((child) => child.document()))) as unknown as readonly Joined[]
    }

    const keygen = join(folder, 'keygen.yaml')
    await timed('plan', () => use.planKeygen(keygen, { protocol, threshold, relay: relay.address }))
    await timed('approve keygen', () => use.approve(keygen, sites))
    const made = await timed('keygen', () => joinAll('keygen', sites, keygen))
    const key = made[0]?.key
    if (key === null || key === undefined) throw new Error('a keygen without a key')

    const all: { bundle: string; joined: readonly Joined[] }[] = [
      { bundle: join(folder, 'keygen.bundle'), joined: made },
    ]
    const signatures: DemoResult['signatures'][number][] = []
    const signBy = async (name: string, signers: readonly string[], text: string): Promise<void> => {
      const message = join(folder, `message${signatures.length === 0 ? '' : signatures.length + 1}.txt`)
      await writeFile(message, text)
      const signing = join(folder, `${name}.yaml`)
      await use.planSign(signing, { key: key.id, message })
      await timed(`approve ${name}`, () => use.approve(signing, signers, message))
      const joined = await timed(name, () => joinAll('sign', signers, signing))
      await writeFile(`${message}.sig`, Buffer.from(joined[0]?.signature ?? '', 'hex'))
      signatures.push({ message, signature: `${message}.sig`, signers })
      all.push({ bundle: join(folder, `${name}.bundle`), joined })
    }
    await signBy('sign', sites.slice(0, threshold), MESSAGE)

    if (wanted.tour) {
      const late = join(folder, 'planned-before.yaml')
      await use.planSign(late, { key: key.id, message: join(folder, 'message.txt') })
      const refresh = join(folder, 'refresh.yaml')
      await use.planRefresh(refresh, key.id)
      await timed('approve refresh', () => use.approve(refresh, sites))
      const joined = await timed('refresh', () => joinAll('refresh', sites, refresh))
      all.push({ bundle: join(folder, 'refresh.bundle'), joined })
      tell({ step: 'refused', message: await use.refused(late, sites[0] as string) })
      await signBy('sign-again', sites.slice(-threshold), SECOND)
      let holders: readonly string[] = sites
      // Where all must sign, a share that is lost is lost with the key.
      if (threshold < sites.length) {
        const lost = sites.at(-1) as string
        holders = [...sites.slice(0, -1), `${lost}-2`]
        tell({ step: 'lost', site: lost })
        const repair = join(folder, 'repair.yaml')
        await use.planRepair(repair, { key: key.id, lost, mended: `${lost}-2` })
        await timed('approve repair', () => use.approve(repair, holders))
        all.push({
          bundle: join(folder, 'repair.bundle'),
          joined: await timed('repair', () => joinAll('repair', holders, repair)),
        })
        await signBy('sign-mended', holders.slice(-threshold), MENDED)
      }
      const more = [...holders, ...NAMES.slice(wanted.sites, wanted.sites + NEWCOMERS)]
      const reshare = join(folder, 'reshare.yaml')
      await use.planReshare(reshare, key.id, more, threshold + 1)
      await timed('approve reshare', () => use.approve(reshare, more))
      all.push({
        bundle: join(folder, 'reshare.bundle'),
        joined: await timed('reshare', () => joinAll('reshare', more, reshare)),
      })
      await signBy('sign-last', more.slice(-threshold - 1), THIRD)
    }

    const bundles = all.map(({ bundle }) => bundle)
    const verdicts = await timed('verify', async () => {
      const found: DemoResult['verdicts'][number][] = []
      for (const { bundle, joined } of all) found.push(await use.verify(bundle, joined))
      return found
    })
    for (const { bundle, checks, same } of verdicts) tell({ step: 'verified', bundle, checks, same })
    const failed = verdicts.find(({ verdict, same }) => verdict !== 'valid' || !same)
    if (failed !== undefined)
      throw new QuorateError(
        'E_REFUSED',
        `${failed.bundle} does not verify: ${failed.verdict}`,
        'look at it with `quorate audit verify`; this is a bug',
      )
    const history = wanted.tour ? await timed('history', () => use.history()) : null
    if (history !== null) tell({ step: 'history', ...history })
    return {
      folder,
      key: { id: key.id, protocol: key.protocol, publicKey: await use.shown(protocol, key.publicKey) },
      signatures,
      bundles,
      verdicts,
      history,
      trust: use.trust,
      phases,
      processes: children.map((child) => child.pid),
    }
  } catch (error) {
    // Errors of processes that are being stopped are no fault of theirs. Ctrl-C goes to all of them at once: a child that it
    // ended may be seen before it is heard here.
    await delay(100)
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', stopAll)
    await Promise.all(children.map((child) => child.stop()))
  }
}

const makeFolder = async (folder: string): Promise<void> => {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new QuorateError(
      'E_EXISTS',
      `${folder} is there already`,
      'delete it if it is an earlier demo, or name another with --folder; nothing was overwritten',
    )
  }
}

const startRelay = async (
  start: (args: readonly string[]) => Child,
): Promise<{ url: string; address: string; pid: number }> => {
  const child = start(['relay', 'serve', '--port', '0'])
  const until = performance.now() + 20_000
  for (;;) {
    const shown = parsed(child.stdout)
    if (shown !== undefined) return { url: shown['url'] as string, address: shown['address'] as string, pid: child.pid }
    if (child.over || performance.now() > until) await child.document()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
