import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder, passphraseFileFlag, toggle } from '../../cli/flags.ts'
import { formOf, keyFormats, keyView, withForms } from '../../cli/render/keys.ts'
import { passphraseAsked } from '../../cli/secret-input.ts'

export default class KeysShow extends QuorateCommand {
  static override summary = 'show a key, or print its public half in one form'
  static override examples = [
    '<%= config.bin %> keys show --key treasury',
    '<%= config.bin %> keys show --key treasury --format pem > treasury.pem',
    '<%= config.bin %> keys show --key treasury --head > eu.head',
  ]
  static override flags = {
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it', required: true }),
    format: Flags.option({ options: keyFormats })({
      summary: 'print the public key alone, in this form',
    }),
    head: toggle({
      summary: 'print what this site knows as the newest epoch, signed: for audit verify --history',
      exclusive: ['format'],
    }),
    home: homeFlag,
    'passphrase-file': passphraseFileFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(KeysShow)
    const home = homeFolder(flags.home)
    if (flags.head) {
      const { signHead } = await import('../../site/key-head.ts')
      const { head, envelope } = await signHead({ home, key: flags.key, passphrase: passphraseAsked(flags) })
      return this.showRaw({ ...head, signed: new TextDecoder().decode(envelope) }, envelope)
    }
    const { showKey } = await import('../../site/keys.ts')
    const key = await withForms(await showKey(home, flags.key))
    return flags.format === undefined ? this.show(keyView, key) : this.showRaw(key, formOf(key, flags.format))
  }
}
