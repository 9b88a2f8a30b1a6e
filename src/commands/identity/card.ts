import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder, passphraseFileFlag } from '../../cli/flags.ts'
import { passphraseAsked } from '../../cli/secret-input.ts'

export default class IdentityCard extends QuorateCommand {
  static override summary = "print this site's card, signed by its identity"
  static override description = 'One line that whoever plans a ceremony merges into the definition.'
  static override examples = ['<%= config.bin %> identity card > eu.card']
  static override flags = { 'passphrase-file': passphraseFileFlag, home: homeFlag }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(IdentityCard)
    const { readOwnCard } = await import('../../site/setup.ts')
    const card = await readOwnCard(homeFolder(flags.home), passphraseAsked(flags))
    return this.showRaw({ card }, card)
  }
}
