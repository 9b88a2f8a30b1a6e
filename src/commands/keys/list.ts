import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { keysView, withForms } from '../../cli/render/keys.ts'

export default class KeysList extends QuorateCommand {
  static override summary = 'list the keys of which this home holds a share'
  static override examples = ['<%= config.bin %> keys list']
  static override flags = { home: homeFlag }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(KeysList)
    const { listKeys } = await import('../../site/keys.ts')
    const { keys, damaged } = await listKeys(homeFolder(flags.home))
    return this.show(keysView, { keys: await Promise.all(keys.map(withForms)), damaged })
  }
}
