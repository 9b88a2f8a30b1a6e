import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from './base-command.ts'
import { homeFlag, homeFolder } from './flags.ts'
import { suspendedView } from './render/keys.ts'

/** `keys suspend` and `keys resume`: this site's word on one key. */
export abstract class SuspensionCommand extends QuorateCommand {
  protected abstract readonly suspended: boolean
  static override flags = {
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it', required: true }),
    reason: Flags.string({
      summary: 'why, in one line; it stands in the ledger of this home',
      required: true,
      parse: async (input) => (await import('../site/abort-reason.ts')).reasonGiven(input),
    }),
    home: homeFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(this.ctor as typeof SuspensionCommand)
    const { suspendKey } = await import('../site/suspend.ts')
    const { key, reason } = flags
    return this.show(
      suspendedView,
      await suspendKey(homeFolder(flags.home), { key, reason, suspended: this.suspended }),
    )
  }
}
