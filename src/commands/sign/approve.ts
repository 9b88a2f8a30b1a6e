import { Flags } from '@oclif/core'
import { ApproveCommand } from '../../cli/approve-command.ts'

export default class SignApprove extends ApproveCommand {
  protected override readonly topic = 'sign'
  static override summary = 'approve the definition of a signature, as this home'
  static override examples = [
    '<%= config.bin %> sign approve --definition payout.yaml --message payout.txt',
    '<%= config.bin %> sign approve --definition payout.yaml --message payout.txt --confirm $CEREMONY_ID --no-input',
  ]
  static override flags = {
    ...ApproveCommand.flags,
    message: Flags.string({ summary: 'the file to sign, as the definition names it', helpValue: 'FILE' }),
    'message-hex': Flags.string({ summary: 'the bytes to sign, in hex', helpValue: 'HEX', exclusive: ['message'] }),
  }

  protected override async message(): Promise<Uint8Array | undefined> {
    const { flags } = await this.parse(SignApprove)
    const { messageGiven } = await import('../../site/message-flags.ts')
    return messageGiven({ message: flags.message, messageHex: flags['message-hex'] })
  }
}
