import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { inputFlag, refuseStdinTwice, writeNewStream } from '../../cli/files.ts'
import { mergedView } from '../../cli/render/audit.ts'

export default class AuditMerge extends QuorateCommand {
  static override summary = 'complete a bundle from those of several sites'
  static override examples = ['<%= config.bin %> audit merge --bundle eu.bundle --bundle us.bundle --out whole.bundle']
  static override flags = {
    bundle: Flags.string({
      summary: 'a bundle of the ceremony; - reads one from stdin',
      required: true,
      helpValue: 'FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    out: Flags.string({ summary: 'the new bundle; must not be there yet', required: true, helpValue: 'FILE' }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(AuditMerge)
    refuseStdinTwice(flags.bundle)
    const { mergeFiles } = await import('../../site/bundles.ts')
    const merged = await mergeFiles(flags.bundle.map(inputFlag), flags.out, (bytes) =>
      writeNewStream(flags.out, bytes, 0o644),
    )
    return this.show(mergedView, merged)
  }
}
