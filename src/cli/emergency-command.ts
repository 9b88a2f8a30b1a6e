import { Flags } from '@oclif/core'
import { QuorateError } from '../lib/errors.ts'
import type { Secret } from '../lib/secret.ts'
import type { Definition } from '../records/definition.ts'
import { shortId } from '../records/short-id.ts'
import type { Shown } from './base-command.ts'
import { confirmKey } from './confirm-key.ts'
import { refuseUncreatable, writeNewFile, writeSameFile } from './files.ts'
import { homeFlag, homeFolder, wholeFlag } from './flags.ts'
import { RunCommand } from './join-command.ts'
import { commonFlags, nameFlag, newFlags, readCards } from './plan-command.ts'
import { relayAccess } from './relay-access.ts'
import { definitionFault, planView } from './render/definition.ts'
import { suspendedView } from './render/keys.ts'
import { askedOnce, passphraseAsked } from './secret-input.ts'
import { type Lines, say } from './term.ts'
import { shellWord } from './text.ts'

/** From the decision to the fresh key in one go; run again it goes on with what it began. */
export abstract class EmergencyCommand extends RunCommand {
  static override flags = {
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it', required: true }),
    reason: Flags.string({
      summary: 'why, in one line; all sites see it, and every bundle has it',
      required: true,
      parse: async (input) => (await import('../site/abort-reason.ts')).reasonGiven(input),
    }),
    ...newFlags,
    out: Flags.string({ summary: 'the new definition, for the other sites', helpValue: 'FILE', required: true }),
    name: nameFlag,
    to: Flags.string({
      summary: 'the card of a site that is to hold a share of the fresh key; without it the sites of the old one',
      helpValue: 'FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    threshold: wholeFlag({ summary: 'how many sites sign together; without it as before', min: 2, max: 32 }),
    'sweep-until': Flags.string({
      summary: 'until when a signature of the old key counts as moving what it protects; without it for a week',
      helpValue: 'TIME',
    }),
    another: Flags.boolean({
      default: false,
      summary: 'plan another one, where the first can never be finished and this site has voted in it',
    }),
    confirm: Flags.string({ summary: 'the full id of the key; without it its name is asked', helpValue: 'ID' }),
    ...RunCommand.flags,
    home: homeFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(this.ctor as typeof EmergencyCommand)
    const home = homeFolder(flags.home)
    const { suspendKey } = await import('../site/suspend.ts')
    // Before anything that may fail: whatever comes of the rest, this site opens no share of the key any more.
    const suspended = await suspendKey(home, { key: flags.key, reason: flags.reason, suspended: true })
    this.#tell(suspendedView(suspended), flags)
    try {
      const passphrase = askedOnce(passphraseAsked(flags))
      const definition = (await this.#begun(home, suspended)) ?? (await this.#planned(home, suspended, passphrase))
      return await this.runCeremony({ home, definition, check: false }, passphrase, flags)
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      const { code, message, template, details } = error
      const stays = `the key ${suspended.key.slice(0, 8)} stays suspended here`
      throw new QuorateError(code, message, `${template}; ${stays}`, { ...details, suspended: suspended.key }, error)
    }
  }

  /** Lines of stderr; none where every line of it is an event, or wanted by nobody. */
  #tell(lines: Lines, flags: { readonly quiet: boolean; readonly 'json-events': boolean }): void {
    if (!flags.quiet && !flags['json-events']) for (const line of lines) say(line)
  }

  /** The one that this site approved before. */
  async #begun(home: string, { key }: SuspendedKey): Promise<Definition | undefined> {
    const { flags } = await this.parse(this.ctor as typeof EmergencyCommand)
    const { emergencyBegun } = await import('../site/emergency.ts')
    const begun = await emergencyBegun(home, key, flags.another)
    if (begun === undefined) return undefined
    const { ceremony, definition, yaml } = begun
    this.#tell(
      [{ label: 'goes on', text: `with ceremony ${shortId(ceremony)}, which this site approved before` }],
      flags,
    )
    try {
      await writeSameFile(flags.out, yaml, 0o644)
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      this.warnOf(`${error.message}: the definition of ceremony ${shortId(ceremony)} was not written there`)
    }
    return definition
  }

  /** A new one, confirmed, approved here, and written. */
  async #planned(home: string, { key, name }: SuspendedKey, passphrase: () => Promise<Secret>): Promise<Definition> {
    const { flags } = await this.parse(this.ctor as typeof EmergencyCommand)
    const { planNewEmergency } = await import('../site/emergency.ts')
    const { approveDefinition } = await import('../site/approve.ts')
    const { shown, seen, yaml } = await planNewEmergency(
      {
        ...(await commonFlags(flags)),
        ...{ home, key, name: flags.name, reason: flags.reason, threshold: flags.threshold },
        cards: await readCards(flags.site ?? []),
        to: await readCards(flags.to ?? []),
        sweepUntil: flags['sweep-until'],
      },
      Date.now(),
    )
    this.#tell(planView({ ...shown, file: null }, seen), flags)
    const fault = definitionFault(shown)
    if (fault !== undefined) throw fault
    await refuseUncreatable(flags.out)
    await confirmKey(key, name, { confirm: flags.confirm, noInput: flags['no-input'] })
    const { definition } = shown
    // The approval first: whatever comes between it and the file, the next run goes on with what was approved.
    await approveDefinition({
      ...{ home, definition, passphrase, message: undefined, trust: undefined },
      relays: await relayAccess(flags),
    })
    await writeNewFile(flags.out, yaml, 0o644)
    this.#tell(
      [
        { label: 'written', text: flags.out, note: 'and approved here' },
        {
          label: 'next',
          text: `quorate rotate approve --definition ${shellWord(flags.out)}`,
          note: 'at every other site, then rotate join',
        },
      ],
      flags,
    )
    return definition
  }
}

type SuspendedKey = Awaited<ReturnType<typeof import('../site/suspend.ts')['suspendKey']>>
