import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { identityView } from '../../cli/render/identity.ts'

export default class IdentityShow extends QuorateCommand {
  static override summary = 'show the identity of this home; needs no passphrase'
  static override examples = ['<%= config.bin %> identity show', '<%= config.bin %> identity show --json']
  static override flags = { home: homeFlag }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(IdentityShow)
    const { readIdentity } = await import('../../site/setup.ts')
    return this.show(identityView, await readIdentity(homeFolder(flags.home)))
  }
}
