import { Flags } from '@oclif/core'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { commonFlags, PlanCommand, readCards, required } from '../../cli/plan-command.ts'
import type { Definition } from '../../records/definition.ts'
import type { PlanMade } from '../../site/planning.ts'
import type { Seen } from '../../site/seen.ts'

export default class RecoverReadmit extends PlanCommand {
  protected override readonly topic = 'recover'
  static override summary = 'write the definition that takes this site back after its ledger went back, or show one'
  static override description =
    'With --out, at the site that the others refuse (E_SITE_ROLLED_BACK): names the head of its ledger as it is now. The site and a threshold of the others approve; each of them shows it what it promised and forgot, it writes that into its ledger, and from then on they take this ledger and no other. Its share must be of the newest epoch: a site with an older one is mended on another machine (recover plan --lost). With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> recover readmit --key treasury --reason "restored from the backup of Monday" --out back.yaml',
    '<%= config.bin %> recover readmit --definition back.yaml',
  ]
  static override flags = {
    ...PlanCommand.flags,
    key: Flags.string({ summary: 'the key whose sites decide: its name or id, as keys list shows it' }),
    reason: Flags.string({ summary: 'why its ledger went back; stands in this bundle and every later one' }),
    without: Flags.string({
      summary: 'a site of the key that is not waited for; it goes on refusing this one until it joins too',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
    home: homeFlag,
  }

  protected override async seen(definition: Definition): Promise<Seen> {
    const { flags } = await this.parse(RecoverReadmit)
    const { seenFrom } = await import('../../site/seen.ts')
    return seenFrom(homeFolder(flags.home), definition, undefined)
  }

  protected override async plan(now: number): Promise<PlanMade> {
    const { flags } = await this.parse(RecoverReadmit)
    const { planReadmission } = await import('../../site/plan-readmit.ts')
    return planReadmission(
      {
        ...(await commonFlags(flags)),
        home: homeFolder(flags.home),
        key: required(flags.key, '--key'),
        cards: await readCards(flags.site ?? []),
        reason: required(flags.reason, '--reason'),
        without: flags.without ?? [],
      },
      now,
    )
  }
}
