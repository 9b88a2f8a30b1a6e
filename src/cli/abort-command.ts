import { Flags } from '@oclif/core'
import type { Hash } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Topic } from '../records/kinds/kind.ts'
import { shortId } from '../records/short-id.ts'
import type { Aborted } from '../site/abort.ts'
import { askText, canAsk } from './ask.ts'
import { QuorateCommand, type Shown } from './base-command.ts'
import { ceremonyFlags, ceremonyOf } from './ceremony-flags.ts'
import { relayAccess } from './relay-access.ts'
import type { Lines } from './term.ts'

const leftView =
  (topic: Topic) =>
  ({ ceremony, told }: Aborted): Lines => [
    { label: 'left', text: `ceremony ${shortId(ceremony as Hash)}`, note: 'for good' },
    { label: 'told', text: told ? 'a relay shows it to the others' : 'no relay answered: tell the others yourself' },
    {
      label: 'next',
      text: `all plan a new definition where this site is needed; the others see it in \`quorate ${topic} status\``,
    },
  ]

/** `abort` under every topic: takes this site out, for good. */
export abstract class AbortCommand extends QuorateCommand {
  protected abstract readonly topic: Topic
  static override description =
    'Takes this site out of a definition, for good: it is how an approval is withdrawn. The others stop only where those left are no longer enough. Refused once this site voted ready, or sent a signature share. Needs no passphrase.'
  static override flags = {
    ...ceremonyFlags,
    reason: Flags.string({
      summary: 'why, in one line; the others see it',
      default: 'stopped by the operator',
      parse: async (input) => (await import('../site/abort-reason.ts')).reasonGiven(input),
    }),
    confirm: Flags.string({ summary: 'the full ceremony id; without it the name is asked', helpValue: 'ID' }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(this.ctor as typeof AbortCommand)
    const { home, definition, ceremony } = await ceremonyOf(this.topic, flags)
    const relays = await relayAccess(flags)
    await confirmLeaving(definition.name, ceremony, flags)
    const { abortCeremony } = await import('../site/abort.ts')
    const { reason } = flags
    const wanted = { home, definition, reason, relays, environment: process.env }
    return this.show(leftView(this.topic), await abortCeremony(wanted))
  }
}

const confirmLeaving = async (
  name: string,
  ceremony: string,
  flags: { readonly confirm?: string | undefined; readonly 'no-input': boolean },
): Promise<void> => {
  if (flags.confirm === ceremony) return
  if (flags.confirm !== undefined)
    throw new QuorateError(
      'E_WORDS',
      '--confirm is not the id of this definition',
      'give all 64 digits; nothing was done',
    )
  if (!canAsk(flags['no-input']))
    throw new QuorateError(
      'E_NO_TERMINAL',
      'leaving for good has to be confirmed, and there is no terminal',
      'give --confirm with the full ceremony id',
    )
  const typed = await askText({
    message: `Type the name of the ceremony (${name}) to leave it for good:`,
    flag: '--confirm',
    noInput: flags['no-input'],
  })
  if (typed.trim() !== name) throw new QuorateError('E_WORDS', 'that is not the name', 'nothing was done')
}
