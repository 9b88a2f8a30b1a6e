import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { inputFlag } from '../../cli/files.ts'
import { toggle } from '../../cli/flags.ts'
import { buildsWarning, bundleView } from '../../cli/render/audit.ts'

export default class AuditShow extends QuorateCommand {
  static override summary = 'show what a bundle holds, as it says of itself'
  static override examples = ['<%= config.bin %> audit show --bundle treasury.keygen.bundle']
  static override flags = {
    bundle: Flags.string({ summary: 'the bundle; - reads it from stdin', required: true, helpValue: 'FILE' }),
    messages: toggle({ summary: 'the messages of rounds too' }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(AuditShow)
    const { showBundle } = await import('../../site/bundles.ts')
    const shown = await showBundle(inputFlag(flags.bundle), flags.messages)
    const builds = buildsWarning(shown.builds)
    if (builds !== undefined) this.warnOf(builds)
    return this.show(bundleView, shown)
  }
}
