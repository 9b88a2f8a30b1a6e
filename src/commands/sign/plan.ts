import { Flags } from '@oclif/core'
import { homeFlag, homeFolder, toggle } from '../../cli/flags.ts'
import { commonFlags, nameFlag, PlanCommand, readCards, required } from '../../cli/plan-command.ts'
import type { Definition } from '../../records/definition.ts'
import type { PlanMade } from '../../site/planning.ts'
import type { Seen } from '../../site/seen.ts'

export default class SignPlan extends PlanCommand {
  protected override readonly topic = 'sign'
  static override summary = 'write the definition of a signature, or show and check one'
  static override description =
    'With --out: names the key, the message and the signers. With --definition: shows everything that is about to happen, with all eight words of the fingerprint; give --message too, and its content is compared and shown.'
  static override examples = [
    '<%= config.bin %> sign plan --name payout --key treasury --message payout.txt --out payout.yaml',
    '<%= config.bin %> sign plan --definition payout.yaml',
  ]
  static override flags = {
    ...PlanCommand.flags,
    name: nameFlag,
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it' }),
    message: Flags.string({ summary: 'the file to sign', helpValue: 'FILE', exclusive: ['message-hex', 'digest'] }),
    'message-hex': Flags.string({ summary: 'the bytes to sign, in hex', helpValue: 'HEX', exclusive: ['digest'] }),
    empty: toggle({ summary: 'with --message-hex "": sign no bytes at all' }),
    digest: Flags.string({ summary: 'a digest to sign blind, in hex', helpValue: 'HEX', dependsOn: ['blind'] }),
    blind: Flags.string({ summary: 'why people sign what nobody can decode', helpValue: 'REASON' }),
    signer: Flags.string({
      summary: 'a site that signs; without any, the first quorum',
      multiple: true,
      multipleNonGreedy: true,
    }),
    home: homeFlag,
  }

  protected override async seen(definition: Definition): Promise<Seen> {
    const { flags } = await this.parse(SignPlan)
    const { messageGiven } = await import('../../site/message-flags.ts')
    const { seenFrom } = await import('../../site/seen.ts')
    const content = await messageGiven({ message: flags.message, messageHex: flags['message-hex'] })
    return seenFrom(homeFolder(flags.home), definition, content)
  }

  protected override async plan(now: number): Promise<PlanMade> {
    const { flags } = await this.parse(SignPlan)
    const { planSignature } = await import('../../site/planning.ts')
    return planSignature(
      {
        ...(await commonFlags(flags)),
        name: required(flags.name, '--name'),
        home: homeFolder(flags.home),
        key: required(flags.key, '--key'),
        message: flags.message,
        messageHex: flags['message-hex'],
        empty: flags.empty,
        digest: flags.digest,
        blind: flags.blind,
        signers: flags.signer ?? [],
        cards: await readCards(flags.site ?? []),
      },
      now,
    )
  }
}
