import { Flags, type Interfaces } from '@oclif/core'
import { QuorateError } from '../lib/errors.ts'
import type { Definition } from '../records/definition.ts'
import type { Topic } from '../records/kinds/kind.ts'
import type { CommonFlags, DefinitionShown, PlanMade } from '../site/planning.ts'
import type { Seen } from '../site/seen.ts'
import { QuorateCommand, type Shown } from './base-command.ts'
import { readFileFlag, writeNewFile } from './files.ts'
import { relayCaFlag, wholeFlag } from './flags.ts'
import { relayAccess } from './relay-access.ts'
import { definitionFault, planView } from './render/definition.ts'

/** Flags of every new definition. */
export const newFlags = {
  site: Flags.string({ summary: "a site's card", helpValue: 'FILE', multiple: true, multipleNonGreedy: true }),
  relay: Flags.string({
    summary: 'where the sites meet; without an identity, that of the relay that answers there',
    helpValue: 'URL[#IDENTITY]',
    multiple: true,
    multipleNonGreedy: true,
  }),
  'relay-ca': relayCaFlag,
  approver: Flags.string({
    summary: 'who must approve and holds no share',
    helpValue: 'IDENTITY',
    multiple: true,
    multipleNonGreedy: true,
  }),
  opens: Flags.string({ summary: 'from when an attempt may start; without it from now', helpValue: 'TIME' }),
  gather: wholeFlag({ summary: 'seconds that a join waits for the others; without it 900', min: 1, max: 604_800 }),
  round: wholeFlag({ summary: 'seconds that a round waits for a message; without it 20', min: 1, max: 3600 }),
  closes: Flags.string({ summary: 'until when; without it for a week', helpValue: 'TIME' }),
}

const planFlags = {
  definition: Flags.string({
    summary: 'a definition to show and check',
    helpValue: 'FILE',
    exactlyOne: ['definition', 'out'],
  }),
  out: Flags.string({ summary: 'the new definition; must not be there yet', helpValue: 'FILE' }),
  ...newFlags,
}

/** The label of what a plan makes; new shares of a key keep the key's. */
export const nameFlag = Flags.string({ summary: 'a label for people: a-z, 0-9 and -' })

export const required = <T>(value: T | undefined, flag: string): T => {
  if (value !== undefined) return value
  throw new QuorateError(
    'E_USAGE',
    `a new definition needs ${flag}`,
    'see the same command with --help; nothing was written',
  )
}

export const readCards = (files: readonly string[]): Promise<readonly Uint8Array[]> =>
  Promise.all(files.map((file) => readFileFlag(file, 65_536)))

/** `plan` under every topic: with --definition it shows, with --out it writes. */
export abstract class PlanCommand extends QuorateCommand {
  protected abstract readonly topic: Topic
  static override flags = planFlags

  /** The new definition that the flags describe. */
  protected abstract plan(now: number): Promise<PlanMade>

  /** Things of a definition in a file that it holds only by hash. */
  protected async seen(_definition: Definition): Promise<Seen> {
    return (await import('../site/seen.ts')).NOTHING_SEEN
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(this.ctor as typeof PlanCommand)
    const now = Date.now()
    if (flags.definition !== undefined) {
      const { definitionFile } = await import('../site/definition-file.ts')
      const { describeDefinition } = await import('../site/planning.ts')
      const definition = await definitionFile(await readFileFlag(flags.definition), this.topic)
      const seen = await this.seen(definition)
      return this.shown(await describeDefinition(definition, now), seen, flags.definition)
    }
    const out = required(flags.out, '--out')
    const { shown, seen, yaml } = await this.plan(now)
    if (definitionFault(shown) === undefined) await writeNewFile(out, yaml, 0o644)
    return this.shown(shown, seen, out)
  }

  private shown(shown: DefinitionShown, seen: Seen, file: string): Shown {
    const fault = definitionFault(shown)
    const result = { ...shown, file: fault === undefined ? file : null }
    return this.show((one) => planView(one, seen), result, { fault })
  }
}

/** The flags that every kind of plan takes. */
export const commonFlags = async (
  flags: Interfaces.InferredFlags<typeof newFlags>,
): Promise<Omit<CommonFlags, 'name'>> => ({
  ...(await relayAccess(flags)),
  relays: flags.relay ?? [],
  approvers: flags.approver ?? [],
  opens: flags.opens,
  closes: flags.closes,
  gather: flags.gather,
  round: flags.round,
})
