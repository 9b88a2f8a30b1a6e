import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { readFileFlag, writeNewFile } from '../../cli/files.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { planFlags, readCards, required } from '../../cli/plan-flags.ts'
import { definitionFault, planView } from '../../cli/render/definition.ts'

export default class SignPlan extends QuorateCommand {
  static override summary = 'write the definition of a signature, or show and check one'
  static override description =
    'With --out: names the key, the message and the signers. With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> sign plan --name payout --key treasury --message payout.txt --out payout.yaml',
    '<%= config.bin %> sign plan --definition payout.yaml',
  ]
  static override flags = {
    ...planFlags,
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it' }),
    message: Flags.string({ summary: 'the file to sign', helpValue: 'FILE', exclusive: ['message-hex', 'digest'] }),
    'message-hex': Flags.string({ summary: 'the bytes to sign, in hex', helpValue: 'HEX', exclusive: ['digest'] }),
    digest: Flags.string({ summary: 'a digest to sign blind, in hex', helpValue: 'HEX', dependsOn: ['blind'] }),
    blind: Flags.string({ summary: 'why people sign what nobody can decode', helpValue: 'REASON' }),
    signer: Flags.string({
      summary: 'a site that signs; without any, the first quorum',
      multiple: true,
      multipleNonGreedy: true,
    }),
    home: homeFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(SignPlan)
    const planning = await import('../../site/planning.ts')
    const now = Date.now()
    if (flags.definition !== undefined) {
      const { definitionFile } = await import('../../site/definition-file.ts')
      const definition = await definitionFile(await readFileFlag(flags.definition), 'sign')
      const shown = await planning.describeDefinition(definition, now)
      const fault = definitionFault(shown)
      return this.show(planView, { ...shown, file: fault === undefined ? flags.definition : null }, { fault })
    }
    const out = required(flags.out, '--out')
    const { shown, yaml } = await planning.planSignature(
      {
        name: required(flags.name, '--name'),
        home: homeFolder(flags.home),
        key: required(flags.key, '--key'),
        message: flags.message,
        messageHex: flags['message-hex'],
        digest: flags.digest,
        blind: flags.blind,
        signers: flags.signer ?? [],
        cards: await readCards(flags.site ?? []),
        relays: flags.relay ?? [],
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
