import { Flags } from '@oclif/core'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { commonFlags, PlanCommand, readCards, required } from '../../cli/plan-command.ts'
import type { Definition } from '../../records/definition.ts'
import type { PlanMade } from '../../site/planning.ts'
import type { Seen } from '../../site/seen.ts'

export default class RotatePlan extends PlanCommand {
  protected override readonly topic = 'rotate'
  static override summary = 'write the definition of new shares for a key, or show and check one'
  static override description =
    'With --out: new shares for the same sites and the same quorum; the public key stays, and the old shares are destroyed once the new ones are installed. With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> rotate plan --key treasury --out refresh.yaml',
    '<%= config.bin %> rotate plan --definition refresh.yaml',
  ]
  static override flags = {
    ...PlanCommand.flags,
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it' }),
    home: homeFlag,
  }

  protected override async seen(definition: Definition): Promise<Seen> {
    const { flags } = await this.parse(RotatePlan)
    const { seenFrom } = await import('../../site/seen.ts')
    return seenFrom(homeFolder(flags.home), definition, undefined)
  }

  protected override async plan(now: number): Promise<PlanMade> {
    const { flags } = await this.parse(RotatePlan)
    const { planRotation } = await import('../../site/planning.ts')
    return planRotation(
      {
        ...(await commonFlags(flags)),
        home: homeFolder(flags.home),
        key: required(flags.key, '--key'),
        cards: await readCards(flags.site ?? []),
      },
      now,
    )
  }
}
