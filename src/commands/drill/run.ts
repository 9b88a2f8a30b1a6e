import { resolve } from 'node:path'
import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { readFileFlag } from '../../cli/files.ts'
import { definitionFlag, passphraseFileFlag, reportsFlag, seedFlag } from '../../cli/flags.ts'
import { drillFault, drillView } from '../../cli/render/drill.ts'
import { writeStamped } from '../../cli/report-file.ts'
import { passphraseAsked } from '../../cli/secret-input.ts'

export default class DrillRun extends QuorateCommand {
  static override summary = 'play an incident in memory, against its time limit'
  static override description =
    'The sites, quorum, protocol and deadlines of a definition, with throw-away keys: no home, share or relay is touched. shard-compromised: new shares within 24 hours, the old one destroyed. site-lost: the others sign within 60 seconds, then the site is replaced. attack: the site suspends the key within 60 seconds, and a fresh key signs within 4 hours. Ends with 1 where a limit was not met. The time that people take is not in it.'
  static override examples = [
    '<%= config.bin %> drill run --definition treasury.yaml --incident site-lost --site ap --home /srv/quorate/eu',
  ]
  static override flags = {
    definition: definitionFlag,
    incident: Flags.option({ options: ['shard-compromised', 'site-lost', 'attack'] as const })({
      summary: 'the incident',
      required: true,
    }),
    site: Flags.string({
      summary: 'the site that it befalls, or that sees an attack first; without it the last one',
      helpValue: 'SITE',
    }),
    seed: seedFlag,
    home: Flags.string({
      summary: 'the home whose identity signs the report; without it none is written',
      helpValue: 'FOLDER',
    }),
    'passphrase-file': passphraseFileFlag,
    reports: reportsFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(DrillRun)
    const { incident, site, seed, home } = flags
    const { runDrill } = await import('../../site/drill.ts')
    const { shown, report } = await runDrill({
      ...{ incident, site, seed, definition: await readFileFlag(flags.definition) },
      home: home === undefined ? undefined : resolve(home),
      passphrase: passphraseAsked(flags),
    })
    const file = report && (await writeStamped(report, flags.reports, incident))
    return this.show(drillView, { ...shown, report: file ?? null }, { fault: drillFault(shown) })
  }
}
