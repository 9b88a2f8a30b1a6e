import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { readFileFlag, readTextFile, refuseStdinTwice } from '../../cli/files.ts'
import { reportView } from '../../cli/render/rehearse.ts'

export default class AuditRehearsal extends QuorateCommand {
  static override summary = 'read the signed report of a rehearsal'
  static override description =
    'Ends with 0 where an identity of the trust file signed the report, which was not revoked then. The report is the word of that identity alone: it shows what one machine saw in memory.'
  static override examples = [
    '<%= config.bin %> audit rehearsal --report rehearsals/7f3a-91c2-20261201T090000Z.dsse --trust trusted-sites.txt',
  ]
  static override flags = {
    report: Flags.string({ summary: 'the report; - reads it from stdin', required: true, helpValue: 'FILE' }),
    trust: Flags.string({
      summary: 'identities or cards of those whose word counts, one a line',
      required: true,
      helpValue: 'FILE',
    }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(AuditRehearsal)
    refuseStdinTwice([flags.report, flags.trust])
    const trust = await readTextFile(flags.trust)
    const { readReport } = await import('../../site/rehearsal-report.ts')
    return this.show(reportView, readReport(await readFileFlag(flags.report, 2 ** 24), trust))
  }
}
