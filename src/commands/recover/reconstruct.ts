import { Flags } from '@oclif/core'
import { readFileFlag } from '../../cli/files.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { commonFlags, PlanCommand, readCards, required } from '../../cli/plan-command.ts'
import type { Definition } from '../../records/definition.ts'
import type { PlanMade } from '../../site/planning.ts'
import type { Seen } from '../../site/seen.ts'

const MOST_CERTIFICATE = 65_536

export default class RecoverReconstruct extends PlanCommand {
  protected override readonly topic = 'recover'
  static override summary =
    'break glass: write the definition that gives a whole key to recipients outside, or show one'
  static override description =
    'With --out: the sites give their shares, each sealed to every recipient, so that each recipient holds the whole key. Two approvers or more who operate no site must approve, and every later bundle of the key says that it happened. Without --without all sites of the key give, so that a false share among them does no harm. With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> recover reconstruct --key treasury --recipient counsel=age1… --reason "the vendor is gone" --approver qapprover1… --approver qapprover1… --out break-glass.yaml',
    '<%= config.bin %> recover reconstruct --definition break-glass.yaml',
  ]
  static override flags = {
    ...PlanCommand.flags,
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it' }),
    recipient: Flags.string({
      summary: 'who gets the whole key: a name, and an age recipient or the file of an X.509 certificate',
      helpValue: 'NAME=age1…|NAME=FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    reason: Flags.string({ summary: 'why the key is kept apart no more; stands in this bundle and every later one' }),
    without: Flags.string({
      summary: 'a site of the key that gives no share: lost, or not trusted any more',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
    home: homeFlag,
  }

  protected override async seen(definition: Definition): Promise<Seen> {
    const { flags } = await this.parse(RecoverReconstruct)
    const { seenFrom } = await import('../../site/seen.ts')
    return seenFrom(homeFolder(flags.home), definition, undefined)
  }

  protected override async plan(now: number): Promise<PlanMade> {
    const { flags } = await this.parse(RecoverReconstruct)
    const { planReconstruction } = await import('../../site/plan-reconstruct.ts')
    return planReconstruction(
      {
        ...(await commonFlags(flags)),
        home: homeFolder(flags.home),
        key: required(flags.key, '--key'),
        cards: await readCards(flags.site ?? []),
        recipients: required(flags.recipient, '--recipient'),
        reason: required(flags.reason, '--reason'),
        without: flags.without ?? [],
        read: (file) => readFileFlag(file, MOST_CERTIFICATE),
      },
      now,
    )
  }
}
