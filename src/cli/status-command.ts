import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from './base-command.ts'
import { readFileFlag } from './files.ts'
import { definitionFlag, homeFlag, homeFolder } from './flags.ts'
import { statusView } from './render/status.ts'

/** `status` under every ceremony topic. */
export abstract class StatusCommand extends QuorateCommand {
  static override description =
    'This site by its own logs; the others by the signed notes that a relay shows, with their age. Writes nothing and needs no passphrase.'
  static override flags = {
    definition: definitionFlag,
    offline: Flags.boolean({ summary: 'ask no relay' }),
    home: homeFlag,
  }
  protected abstract readonly kind: 'keygen' | 'sign'

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(this.constructor as typeof StatusCommand & { flags: typeof StatusCommand.flags })
    const [{ definitionFile }, { status }] = await Promise.all([
      import('../site/planning.ts'),
      import('../site/status.ts'),
    ])
    const definition = await definitionFile(await readFileFlag(flags.definition), this.kind)
    return this.show(statusView, await status({ home: homeFolder(flags.home), definition, offline: flags.offline }))
  }
}
