import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { suspendedView } from '../../cli/render/keys.ts'

export default class KeysResume extends QuorateCommand {
  static override summary = 'use a suspended key again'
  static override description =
    'Takes back the word of keys suspend. Both stand in the ledger of this home, with their reasons.'
  static override examples = ['<%= config.bin %> keys resume --key treasury --reason "new build, checked by two"']
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
    const { flags } = await this.parse(KeysResume)
    const { suspendKey } = await import('../../site/suspend.ts')
    const { key, reason } = flags
    return this.show(suspendedView, await suspendKey(homeFolder(flags.home), { key, reason, suspended: false }))
  }
}
