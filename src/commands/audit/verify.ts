import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { inputFlag, readFileFlag, readTextFile, refuseStdinTwice } from '../../cli/files.ts'
import { instantFlag, toggle } from '../../cli/flags.ts'
import { buildsWarning, VERIFY_COLUMNS, verifyFault, verifyView } from '../../cli/render/audit.ts'

const MESSAGE_LIMIT = 2 ** 26

export default class AuditVerify extends QuorateCommand {
  static override summary = 'check a bundle offline: one file in, one verdict out'
  static override description =
    'Exit 0 when every check holds or is open and the parties are known. Without --trust the most that it can say is: consistent, by unknown parties, exit 1.'
  static override examples = [
    '<%= config.bin %> audit verify --bundle treasury.keygen.bundle --trust trusted-sites.txt',
    '<%= config.bin %> audit verify --bundle treasury.keygen.bundle --trust trusted-sites.txt --require time --json',
  ]
  static override flags = {
    bundle: Flags.string({ summary: 'the bundle; - reads it from stdin', required: true, helpValue: 'FILE' }),
    trust: Flags.string({ summary: 'identities or cards that are known, one a line', helpValue: 'FILE' }),
    'trust-stated': toggle({ summary: 'believe the identities that the bundle names', exclusive: ['trust'] }),
    at: instantFlag({ summary: 'refuse what is dated later', helpValue: 'TIME' }),
    require: Flags.string({
      summary: 'group or id of a check that must be there and not open',
      helpValue: 'CHECK',
      multiple: true,
      multipleNonGreedy: true,
    }),
    message: Flags.string({ summary: 'the signed file, where the bundle does not hold it', helpValue: 'FILE' }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(AuditVerify)
    const { refuseUnknownPoints } = await import('../../site/bundles.ts')
    const { verifyFile } = await import('../../site/verify.ts')
    refuseStdinTwice([flags.bundle, flags.trust, flags.message])
    refuseUnknownPoints(flags.require ?? [])
    const { schema: _, ...report } = await verifyFile({
      bundle: inputFlag(flags.bundle),
      trust: flags.trust === undefined ? undefined : await readTextFile(flags.trust),
      trustStated: flags['trust-stated'],
      at: flags.at,
      require: flags.require ?? [],
      message: flags.message === undefined ? undefined : await readFileFlag(flags.message, MESSAGE_LIMIT),
    })
    const builds = buildsWarning(report.builds)
    if (builds !== undefined) this.warnOf(builds)
    return this.show(verifyView, report, { columns: VERIFY_COLUMNS, fault: verifyFault(report) })
  }
}
