import { Flags } from '@oclif/core'
import { readFileFlag } from '../../cli/files.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { commonFlags, PlanCommand, readCards, required } from '../../cli/plan-command.ts'
import type { Definition } from '../../records/definition.ts'
import type { PlanMade } from '../../site/planning.ts'
import type { Seen } from '../../site/seen.ts'

export default class RecoverPlan extends PlanCommand {
  protected override readonly topic = 'recover'
  static override summary = 'write the definition that gives a lost share to another machine, or show and check one'
  static override description =
    'With --out: the sites that still hold a share make the lost one again, the same as it was, for the machine whose card is given; nobody learns the key, or another’s share. With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> recover plan --key treasury --lost ap --to ap-2.card --out repair.yaml',
    '<%= config.bin %> recover plan --definition repair.yaml',
  ]
  static override flags = {
    ...PlanCommand.flags,
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it' }),
    lost: Flags.string({ summary: 'the site whose share is lost', helpValue: 'NAME' }),
    to: Flags.string({
      summary: 'the card of the machine that gets the share: a new home, with a name of its own',
      helpValue: 'FILE',
    }),
    helper: Flags.string({
      summary: 'a site that makes it again, as many as sign together; without it the first that are left',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
    home: homeFlag,
  }

  protected override async seen(definition: Definition): Promise<Seen> {
    const { flags } = await this.parse(RecoverPlan)
    const { seenFrom } = await import('../../site/seen.ts')
    return seenFrom(homeFolder(flags.home), definition, undefined)
  }

  protected override async plan(now: number): Promise<PlanMade> {
    const { flags } = await this.parse(RecoverPlan)
    const { planRecovery } = await import('../../site/planning.ts')
    return planRecovery(
      {
        ...(await commonFlags(flags)),
        home: homeFolder(flags.home),
        key: required(flags.key, '--key'),
        cards: await readCards(flags.site ?? []),
        lost: required(flags.lost, '--lost'),
        to: await readFileFlag(required(flags.to, '--to'), 65_536),
        helpers: flags.helper ?? [],
      },
      now,
    )
  }
}
