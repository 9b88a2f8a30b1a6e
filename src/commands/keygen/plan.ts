import { protocolFlag, wholeFlag } from '../../cli/flags.ts'
import { commonFlags, nameFlag, PlanCommand, readCards, required } from '../../cli/plan-command.ts'
import type { PlanMade } from '../../site/planning.ts'

export default class KeygenPlan extends PlanCommand {
  protected override readonly topic = 'keygen'
  static override summary = 'write the definition of a new key, or show and check one'
  static override description =
    'With --out: merges the cards of the sites, in their order, into a new definition. With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> keygen plan --name treasury --protocol frost-ed25519 --threshold 2 --site eu.card --site us.card --site ap.card --relay ws://127.0.0.1:43117 --out treasury.yaml',
    '<%= config.bin %> keygen plan --definition treasury.yaml',
  ]
  static override flags = {
    ...PlanCommand.flags,
    name: nameFlag,
    protocol: protocolFlag({ summary: 'signature scheme and curve' }),
    threshold: wholeFlag({ summary: 'how many sites sign together', min: 2, max: 32 }),
  }

  protected override async plan(now: number): Promise<PlanMade> {
    const { flags } = await this.parse(KeygenPlan)
    const { planNewKey } = await import('../../site/planning.ts')
    const common = { ...(await commonFlags(flags)), name: required(flags.name, '--name') }
    const protocol = required(flags.protocol, '--protocol')
    const threshold = required(flags.threshold, '--threshold')
    const cards = await readCards(required(flags.site, '--site'))
    required(flags.relay, '--relay')
    return planNewKey({ ...common, protocol, threshold, cards }, now)
  }
}
