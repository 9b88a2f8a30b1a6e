import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { QuorateError } from '../lib/errors.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import { Child, parsed } from './demo-child.ts'
import type { Joined } from './join.ts'

/** A whole ceremony on one machine: a relay and each site's join as processes of their own, on loopback. */

interface DemoWanted {
  /** Folder that is made; everything lies in it. */
  readonly folder: string
  readonly protocol: ProtocolId
  readonly sites: number
  readonly threshold: number
  /** bin/quorate.js: what the processes run. */
  readonly bin: string
  /** Environment of the processes. */
  readonly env: NodeJS.ProcessEnv
  readonly signal: AbortSignal
  readonly tell: (step: DemoStep) => void
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
      readonly kind: 'keygen' | 'sign'
      readonly sites: readonly string[]
      readonly processes: readonly number[]
    }
  | { readonly step: 'progress'; readonly event: Record<string, unknown> }
  | { readonly step: 'done'; readonly phase: string; readonly ms: number }
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
  readonly trust: string
  readonly phases: readonly { readonly name: string; readonly ms: number }[]
  readonly processes: readonly number[]
}

const NAMES = ['eu', 'us', 'ap', 'sa', 'af', 'uk', 'jp', 'au', 'ca', 'in', 'kr', 'sg'] as const
const MESSAGE = 'Quorate demo: two of three sites signed this.\n'

export const runDemo = async (wanted: DemoWanted): Promise<DemoResult> => {
  const { folder, protocol, threshold, bin, signal, tell } = wanted
  const sites = NAMES.slice(0, wanted.sites)
  if (sites.length < wanted.sites || threshold > sites.length)
    throw new QuorateError(
      'E_USAGE',
      `the demo has room for ${NAMES.length} sites, and a threshold of at most their number`,
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

    const use = await timed('identities', () => makeSites(folder, sites))
    const joinAll = async (
      kind: 'keygen' | 'sign',
      who: readonly string[],
      definition: string,
    ): Promise<readonly Joined[]> => {
      const joins = who.map((site, at) =>
        start([kind, 'join', '--definition', definition], { QUORATE_HOME: home(site) }, at === 0),
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

    const message = join(folder, 'message.txt')
    await writeFile(message, MESSAGE)
    const signing = join(folder, 'sign.yaml')
    const signers = sites.slice(0, threshold)
    await use.planSign(signing, { key: key.id, message })
    await timed('approve sign', () => use.approve(signing, signers, message))
    const signed = await timed('sign', () => joinAll('sign', signers, signing))

    const signature = `${message}.sig`
    await writeFile(signature, Buffer.from(signed[0]?.signature ?? '', 'hex'))
    const bundles = [join(folder, 'keygen.bundle'), join(folder, 'sign.bundle')]
    const verdicts = await timed('verify', async () => [
      { ...(await use.verify(bundles[0] as string, made)) },
      { ...(await use.verify(bundles[1] as string, signed)) },
    ])
    for (const { bundle, checks, same } of verdicts) tell({ step: 'verified', bundle, checks, same })
    const failed = verdicts.find(({ verdict, same }) => verdict !== 'valid' || !same)
    if (failed !== undefined)
      throw new QuorateError(
        'E_REFUSED',
        `${failed.bundle} does not verify: ${failed.verdict}`,
        'look at it with `quorate audit verify`; this is a bug',
      )
    return {
      folder,
      key: { id: key.id, protocol: key.protocol, publicKey: await use.shown(protocol, key.publicKey) },
      signatures: [{ message, signature, signers }],
      bundles,
      verdicts,
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

/** The homes, and what the demo does in this process for their operators: plan, approve, verify. */
const makeSites = async (folder: string, sites: readonly string[]) => {
  const [setup, planning, approving, verifying, registry] = await Promise.all([
    import('./setup.ts'),
    import('./planning.ts'),
    import('./approve.ts'),
    import('./verify.ts'),
    import('../mpc/registry.ts'),
  ])
  const none = async (): Promise<never> => {
    throw new Error('homes of the demo have no passphrase')
  }
  await mkdir(join(folder, 'kms'), { mode: 0o700 })
  const cards: string[] = []
  for (const name of sites) {
    await setup.createIdentity({
      home: join(folder, name),
      name,
      role: 'site',
      kms: [`local:${join(folder, 'kms', `${name}.key`)}`],
      stores: ['home'],
      jurisdiction: 'demo',
      control: `demo-${name}/demo-${name}/demo-${name}`,
      passphrase: undefined,
      kmsPassphrase: undefined,
    })
    cards.push(await setup.readOwnCard(join(folder, name), none))
  }
  const trust = join(folder, 'trusted-sites.txt')
  await writeFile(trust, cards.map((card) => `${card.trimEnd()}\n`).join(''))
  const common = { name: 'demo', opens: undefined, closes: undefined, approvers: [] }
  return {
    trust,
    planKeygen: async (file: string, flags: { protocol: ProtocolId; threshold: number; relay: string }) => {
      const { yaml } = await planning.planNewKey(
        {
          ...common,
          protocol: flags.protocol,
          threshold: flags.threshold,
          cards: cards.map((card) => Buffer.from(card)),
          relays: [flags.relay],
        },
        Date.now(),
      )
      await writeFile(file, yaml)
    },
    planSign: async (file: string, flags: { key: string; message: string }) => {
      const first = join(folder, sites[0] as string)
      const { yaml } = await planning.planSignature(
        {
          ...common,
          home: first,
          key: flags.key,
          message: flags.message,
          messageHex: undefined,
          empty: false,
          digest: undefined,
          blind: undefined,
          signers: [],
          cards: [],
          relays: [],
        },
        Date.now(),
      )
      await writeFile(file, yaml)
    },
    approve: async (file: string, who: readonly string[], message?: string) => {
      const { readDefinition } = await import('../records/definition-yaml.ts')
      const definition = await readDefinition(new Uint8Array(await readFile(file)))
      for (const site of who)
        await approving.approveDefinition({
          home: join(folder, site),
          definition,
          message: message === undefined ? undefined : new Uint8Array(await readFile(message)),
          passphrase: none,
          trust: undefined,
        })
    },
    verify: async (bundle: string, joined: readonly Joined[]) => {
      const all = await Promise.all(joined.map((one) => readFile(one.bundle ?? '')))
      const same = all.every((bytes) => bytes.equals(all[0] as Buffer))
      await writeFile(bundle, all[0] as Buffer)
      const report = await verifying.verifyFile({
        bundle,
        trust: await readFile(trust, 'utf8'),
        trustStated: false,
        at: undefined,
        require: [],
        message: undefined,
      })
      return { bundle, verdict: report.verdict, checks: report.checks.length, open: report.open, same }
    },
    shown: async (protocol: ProtocolId, publicKey: string) =>
      Buffer.from((await registry.loadScheme(protocol)).shownKey(Buffer.from(publicKey, 'hex'))).toString('hex'),
  }
}
