import { resolve } from 'node:path'
import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../cli/base-command.ts'
import { readFileFlag, refuseUncreatable } from '../cli/files.ts'
import { definitionFlag, passphraseFileFlag, seedFlag } from '../cli/flags.ts'
import { rehearsalView } from '../cli/render/rehearse.ts'
import { writeReport } from '../cli/report-file.ts'
import { passphraseAsked } from '../cli/secret-input.ts'

export default class Rehearse extends QuorateCommand {
  static override summary = 'a ceremony as it would go, in memory, with throw-away keys'
  static override description =
    'All sites of the definition run in this process, with other identities, KMS keys and relays than the real ones. No home, share or relay is touched. It ends with 0 when the rehearsal ran, however the ceremony in it ended: that stands in what it prints.'
  static override examples = [
    '<%= config.bin %> rehearse --definition treasury.yaml',
    '<%= config.bin %> rehearse --definition treasury.yaml --fault drop:us:2 --as eu',
    '<%= config.bin %> rehearse --definition treasury.yaml --fault kill:us:ready --fault delay:ap:900 --seed 4f1d',
  ]
  static override flags = {
    definition: definitionFlag,
    fault: Flags.string({
      summary: 'something that goes wrong, as drop:us:2 or kill:us:staged; a wrong one lists all forms',
      multiple: true,
      helpValue: 'FAULT',
    }),
    message: Flags.string({
      summary: 'the message of a sign ceremony; without it other bytes, as many',
      helpValue: 'FILE',
    }),
    seed: seedFlag,
    home: Flags.string({
      summary: 'the home whose identity signs a report; without it none is written',
      helpValue: 'FOLDER',
    }),
    'passphrase-file': passphraseFileFlag,
    out: Flags.string({
      summary: 'the report; without it a new file in rehearsals/ beside the definition',
      helpValue: 'FILE',
      dependsOn: ['home'],
    }),
    as: Flags.string({ summary: 'print also each line that this site’s operator would see', helpValue: 'SITE' }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(Rehearse)
    const definition = await readFileFlag(flags.definition)
    if (flags.out !== undefined) await refuseUncreatable(flags.out)
    const { runRehearsal } = await import('../site/rehearse.ts')
    const { seed, as, message, home, fault: faults = [] } = flags
    const { shown, report } = await runRehearsal({
      ...{ definition, seed, as, message, faults },
      home: home === undefined ? undefined : resolve(home),
      passphrase: passphraseAsked(flags),
    })
    const file = report && (await writeReport(report, shown, flags))
    return this.show(rehearsalView(as), { ...shown, report: file ?? null })
  }
}
