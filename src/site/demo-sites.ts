import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { QuorateError } from '../lib/errors.ts'
import type { ProtocolId } from '../records/definition-fields.ts'
import type { Joined } from './join.ts'

/** The homes, and what the demo does in this process for their operators: plan, approve, verify. */
export const demoSites = async (folder: string, sites: readonly string[]) => {
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
  const cards = new Map<string, Uint8Array>()
  const trust = join(folder, 'trusted-sites.txt')
  const create = async (name: string): Promise<void> => {
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
    const card = await setup.readOwnCard(join(folder, name), none)
    cards.set(name, Buffer.from(card))
    await appendFile(trust, `${card.trimEnd()}\n`)
  }
  for (const name of sites) await create(name)
  const common = { name: 'demo', opens: undefined, closes: undefined, approvers: [] }
  return {
    trust,
    planKeygen: async (file: string, flags: { protocol: ProtocolId; threshold: number; relay: string }) => {
      const { yaml } = await planning.planNewKey(
        {
          ...common,
          protocol: flags.protocol,
          threshold: flags.threshold,
          cards: [...cards.values()],
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
    planRefresh: async (file: string, key: string) => {
      const { name: _, ...rest } = common
      const home = join(folder, sites[0] as string)
      const { yaml } = await planning.planRotation({ ...rest, home, key, cards: [], relays: [] }, Date.now())
      await writeFile(file, yaml)
    },
    /** Plans the lost share for `mended`, which gets a home; the lost site's own is never used again. */
    planRepair: async (file: string, flags: { key: string; lost: string; mended: string }) => {
      await create(flags.mended)
      const { name: _, ...rest } = common
      const { key, lost } = flags
      const { yaml } = await planning.planRecovery(
        {
          ...rest,
          home: join(folder, sites[0] as string),
          ...{ key, lost, cards: [], relays: [], helpers: [] },
          to: cards.get(flags.mended) as Uint8Array,
        },
        Date.now(),
      )
      await writeFile(file, yaml)
    },
    /** Hands the key on to `to`, of which some may be new: they get a home each. */
    planReshare: async (file: string, key: string, to: readonly string[], threshold: number) => {
      for (const name of to) if (!cards.has(name)) await create(name)
      const { name: _, ...rest } = common
      const home = join(folder, sites[0] as string)
      const receivers = to.map((name) => cards.get(name) as Uint8Array)
      const { yaml } = await planning.planRotation(
        { ...rest, home, key, cards: [], relays: [], to: { cards: receivers, threshold, without: [] } },
        Date.now(),
      )
      await writeFile(file, yaml)
    },
    /** The reason for which a site does not approve what was planned on a record that was replaced since. */
    refused: async (file: string, site: string): Promise<string> => {
      const { readDefinition } = await import('../records/definition-yaml.ts')
      const definition = await readDefinition(new Uint8Array(await readFile(file)))
      const message = new Uint8Array(await readFile(join(folder, 'message.txt')))
      const wanted = { home: join(folder, site), definition, message, passphrase: none, trust: undefined }
      try {
        await approving.approveDefinition(wanted)
      } catch (error) {
        if (error instanceof QuorateError && error.code === 'E_DEFINITION') return error.message
        throw error
      }
      throw new Error('a record that was replaced was approved')
    },
    history: async () => {
      const { verifyHistory } = await import('./history.ts')
      const { verdict, keys } = await verifyHistory({
        folder,
        trust: await readFile(trust, 'utf8'),
        trustStated: false,
        at: undefined,
        require: [],
        maxAge: undefined,
        now: Date.now(),
      })
      return { verdict, epochs: keys[0]?.epochs.length ?? 0 }
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
