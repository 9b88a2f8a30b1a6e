import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { suspendedView } from '../../cli/render/keys.ts'

export default class KeysSuspend extends QuorateCommand {
  static override summary = 'let this site do nothing with a key, at once'
  static override description =
    'From now on this home opens no share of the key: it signs nothing, deals in no rotation, and a join that runs says nothing more with it. Needs no passphrase, and no other site. The other sites can still sign while enough of them go on.'
  static override examples = [
    '<%= config.bin %> keys suspend --key treasury --reason "the build server was broken into"',
  ]
  static override flags = {
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it', required: true }),
    reason: Flags.string({
      summary: 'why, in one line; it stands in the ledger of this home',
      required: true,
      parse: async (input) => (await import('../../site/abort-reason.ts')).reasonGiven(input),
    }),
    home: homeFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(KeysSuspend)
    const { suspendKey } = await import('../../site/suspend.ts')
    const { key, reason } = flags
    return this.show(suspendedView, await suspendKey(homeFolder(flags.home), { key, reason, suspended: true }))
  }
}
