import { Flags } from '@oclif/core'
import type { Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder, wholeFlag } from '../../cli/flags.ts'
import { commonFlags, PlanCommand, readCards, required } from '../../cli/plan-command.ts'
import { nothingDueView } from '../../cli/render/keys.ts'
import type { Definition } from '../../records/definition.ts'
import type { PlanMade } from '../../site/planning.ts'
import type { Seen } from '../../site/seen.ts'

const DAY = 86_400_000

export default class RotatePlan extends PlanCommand {
  protected override readonly topic = 'rotate'
  static override summary = 'write the definition of new shares for a key, or show and check one'
  static override description =
    'With --out: new shares for the same sites and the same quorum, or with --to and --threshold for others; the public key stays, and the old shares are destroyed once the new ones are installed. With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> rotate plan --key treasury --out refresh.yaml',
    '<%= config.bin %> rotate plan --key treasury --max-age 90 --out refresh.yaml',
    '<%= config.bin %> rotate plan --key treasury --to eu.card --to us.card --to sa.card --without ap --out reshare.yaml',
    '<%= config.bin %> rotate plan --definition refresh.yaml',
  ]
  static override flags = {
    ...PlanCommand.flags,
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it' }),
    'max-age': wholeFlag({
      summary: 'plan only where the newest shares are older, in days',
      min: 1,
      max: 36_500,
      dependsOn: ['out'],
    }),
    to: Flags.string({
      summary: 'the card of a site that is to hold a share; name all of them, in their order',
      helpValue: 'FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    threshold: wholeFlag({ summary: 'how many sites sign together from now on', min: 2, max: 32 }),
    without: Flags.string({
      summary: 'a site of the key that cannot deal its share: lost, or not trusted any more',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
    home: homeFlag,
  }

  /** A job that runs every day plans once in a while: shares that are young enough are left alone. */
  override async run(): Promise<Shown> {
    const { flags } = await this.parse(RotatePlan)
    if (flags['max-age'] === undefined) return super.run()
    const { keyAge } = await import('../../site/keys.ts')
    const { shown, age } = await keyAge(homeFolder(flags.home), required(flags.key, '--key'), Date.now())
    if (age === null || age > flags['max-age'] * DAY) return super.run()
    const { kmsKeysOf } = await import('../../site/kms-keys.ts')
    const { lies, wanted, moved } = await kmsKeysOf(homeFolder(flags.home), shown.key)
    const { key, name, epoch, since } = shown
    const kms = { lies, wanted, moved }
    return this.show(nothingDueView, { key, name, epoch, since, age, kms, file: null })
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
        ...(flags.to === undefined && flags.threshold === undefined && flags.without === undefined
          ? {}
          : {
              to: {
                cards: await readCards(flags.to ?? []),
                threshold: flags.threshold,
                without: flags.without ?? [],
              },
            }),
      },
      now,
    )
  }
}
