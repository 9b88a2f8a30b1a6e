import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { inputFlag, readFileFlag, readTextFile, refuseStdinTwice } from '../../cli/files.ts'
import { instantFlag, toggle, wholeFlag } from '../../cli/flags.ts'
import { buildsWarning, VERIFY_COLUMNS, verifyFault, verifyView } from '../../cli/render/audit.ts'
import { historyFault, historyView } from '../../cli/render/history.ts'
import type { HistoryWanted } from '../../site/history.ts'

const MESSAGE_LIMIT = 2 ** 26

export default class AuditVerify extends QuorateCommand {
  static override summary = 'check a bundle offline: one file in, one verdict out'
  static override description =
    'Exit 0 when every check holds or is open and the parties are known. Without --trust the most that it can say is: consistent, by unknown parties, exit 1.'
  static override examples = [
    '<%= config.bin %> audit verify --bundle treasury.keygen.bundle --trust trusted-sites.txt',
    '<%= config.bin %> audit verify --bundle treasury.keygen.bundle --trust trusted-sites.txt --require time --json',
    '<%= config.bin %> audit verify --history bundles/ --trust trusted-sites.txt --max-age 365',
  ]
  static override flags = {
    bundle: Flags.string({
      summary: 'the bundle; - reads it from stdin',
      exactlyOne: ['bundle', 'history'],
      helpValue: 'FILE',
    }),
    history: Flags.string({
      summary: 'a folder of bundles: each key from its keygen to its newest epoch',
      helpValue: 'FOLDER',
    }),
    'max-age': wholeFlag({
      summary: 'refuse where the newest epoch of a key is older, in days',
      min: 1,
      max: 36_500,
      dependsOn: ['history'],
    }),
    trust: Flags.string({ summary: 'identities or cards that are known, one a line', helpValue: 'FILE' }),
    'trust-stated': toggle({ summary: 'believe the identities that the bundle names', exclusive: ['trust'] }),
    at: instantFlag({ summary: 'refuse what is dated later', helpValue: 'TIME' }),
    require: Flags.string({
      summary: 'group or id of a check that must be there and not open',
      helpValue: 'CHECK',
      multiple: true,
      multipleNonGreedy: true,
    }),
    head: Flags.string({
      summary: 'what a site says is the newest epoch (keys show --head); its bundle must be in the folder',
      helpValue: 'FILE',
      multiple: true,
      multipleNonGreedy: true,
      dependsOn: ['history', 'trust'],
    }),
    message: Flags.string({
      summary: 'the signed file, where the bundle does not hold it',
      helpValue: 'FILE',
      exclusive: ['history'],
    }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(AuditVerify)
    const { refuseUnknownPoints } = await import('../../site/bundles.ts')
    const { verifyFile } = await import('../../site/verify.ts')
    refuseStdinTwice([flags.bundle, flags.trust, flags.message])
    refuseUnknownPoints(flags.require ?? [])
    const common = {
      trust: flags.trust === undefined ? undefined : await readTextFile(flags.trust),
      trustStated: flags['trust-stated'],
      at: flags.at,
      require: flags.require ?? [],
    }
    if (flags.history !== undefined) return this.#history(flags.history, common, flags['max-age'], flags.head ?? [])
    const { schema: _, ...report } = await verifyFile({
      ...common,
      bundle: inputFlag(flags.bundle ?? ''),
      message: flags.message === undefined ? undefined : await readFileFlag(flags.message, MESSAGE_LIMIT),
    })
    const builds = buildsWarning(report.builds)
    if (builds !== undefined) this.warnOf(builds)
    return this.show(verifyView, report, { columns: VERIFY_COLUMNS, fault: verifyFault(report) })
  }

  async #history(
    folder: string,
    common: Pick<HistoryWanted, 'trust' | 'trustStated' | 'at' | 'require'>,
    maxAge: number | undefined,
    heads: readonly string[],
  ): Promise<Shown> {
    const { verifyHistory } = await import('../../site/history.ts')
    const report = await verifyHistory({
      ...common,
      folder,
      maxAge,
      heads: await Promise.all(heads.map((file) => readFileFlag(file, 65_536))),
      now: Date.now(),
    })
    return this.show(historyView, report, { columns: VERIFY_COLUMNS, fault: historyFault(report) })
  }
}
