import { ApproveCommand } from '../../cli/approve-command.ts'

export default class KeygenApprove extends ApproveCommand {
  protected override readonly topic = 'keygen'
  static override summary = 'approve the definition of a new key, as this home'
  static override examples = [
    '<%= config.bin %> keygen approve --definition treasury.yaml',
    '<%= config.bin %> keygen approve --definition treasury.yaml --confirm $CEREMONY_ID --no-input',
  ]
}
