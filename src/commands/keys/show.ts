import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { formOf, keyFormats, keyView, withForms } from '../../cli/render/keys.ts'

export default class KeysShow extends QuorateCommand {
  static override summary = 'show a key, or print its public half in one form'
  static override examples = [
    '<%= config.bin %> keys show --key treasury',
    '<%= config.bin %> keys show --key treasury --format pem > treasury.pem',
  ]
  static override flags = {
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it', required: true }),
    format: Flags.option({ options: keyFormats })({
      summary: 'print the public key alone, in this form',
    }),
    home: homeFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(KeysShow)
    const { showKey } = await import('../../site/keys.ts')
    const key = await withForms(await showKey(homeFolder(flags.home), flags.key))
    return flags.format === undefined ? this.show(keyView, key) : this.showRaw(key, formOf(key, flags.format))
  }
}
