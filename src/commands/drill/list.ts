import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { readFileFlag, readTextFile, refuseStdinTwice } from '../../cli/files.ts'
import { reportsFlag } from '../../cli/flags.ts'
import { drillsView, overdueFault } from '../../cli/render/drill.ts'

export default class DrillList extends QuorateCommand {
  static override summary = 'the drills of a calendar: when each was met last, and which are overdue'
  static override description =
    'Counts the reports that an identity of the trust file signed. Ends with 1 where a drill is overdue, so that a job can say so.'
  static override examples = ['<%= config.bin %> drill list --calendar drills.yaml --trust trusted-sites.txt']
  static override flags = {
    calendar: Flags.string({
      summary: 'incidents, and how often each is drilled (YAML)',
      required: true,
      helpValue: 'FILE',
    }),
    trust: Flags.string({
      summary: 'identities or cards of those whose reports count, one a line',
      required: true,
      helpValue: 'FILE',
    }),
    reports: reportsFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(DrillList)
    refuseStdinTwice([flags.calendar, flags.trust])
    const trust = await readTextFile(flags.trust)
    const calendar = await readFileFlag(flags.calendar)
    const { listDrills } = await import('../../site/drill.ts')
    const list = await listDrills({ calendar, reports: flags.reports, trust, now: Date.now() })
    return this.show(drillsView, list, { fault: overdueFault(list) })
  }
}
