import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { readFileFlag, writeNewFile } from '../../cli/files.ts'
import { wholeFlag } from '../../cli/flags.ts'
import { planFlags, readCards, required } from '../../cli/plan-flags.ts'
import { definitionFault, planView } from '../../cli/render/definition.ts'

export default class KeygenPlan extends QuorateCommand {
  static override summary = 'write the definition of a new key, or show and check one'
  static override description =
    'With --out: merges the cards of the sites, in their order, into a new definition. With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> keygen plan --name treasury --protocol frost-ed25519 --threshold 2 --site eu.card --site us.card --site ap.card --relay ws://127.0.0.1:43117 --out treasury.yaml',
    '<%= config.bin %> keygen plan --definition treasury.yaml',
  ]
  static override flags = {
    ...planFlags,
    protocol: Flags.option({
      options: [
        'frost-ed25519',
        'frost-ed448',
        'frost-p256',
        'frost-ristretto255',
        'frost-secp256k1',
        'frost-secp256k1-tr',
      ] as const,
    })({ summary: 'signature scheme and curve' }),
    threshold: wholeFlag({ summary: 'how many sites sign together', min: 2, max: 32 }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(KeygenPlan)
    const planning = await import('../../site/planning.ts')
    const now = Date.now()
    if (flags.definition !== undefined) {
      const { definitionFile } = await import('../../site/definition-file.ts')
      const definition = await definitionFile(await readFileFlag(flags.definition), 'keygen')
      const shown = await planning.describeDefinition(definition, now)
      const fault = definitionFault(shown)
      return this.show(planView, { ...shown, file: fault === undefined ? flags.definition : null }, { fault })
    }
    const out = required(flags.out, '--out')
    const { shown, yaml } = await planning.planNewKey(
      {
        name: required(flags.name, '--name'),
        protocol: required(flags.protocol, '--protocol'),
        threshold: required(flags.threshold, '--threshold'),
        cards: await readCards(required(flags.site, '--site')),
        relays: required(flags.relay, '--relay'),
        approvers: flags.approver ?? [],
        opens: flags.opens,
        closes: flags.closes,
        gather: flags.gather,
        round: flags.round,
      },
      now,
    )
    const fault = definitionFault(shown)
    if (fault === undefined) await writeNewFile(out, yaml, 0o644)
    return this.show(planView, { ...shown, file: fault === undefined ? out : null }, { fault })
  }
}
