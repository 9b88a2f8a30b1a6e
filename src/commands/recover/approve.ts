import { ApproveCommand } from '../../cli/approve-command.ts'

export default class RecoverApprove extends ApproveCommand {
  protected override readonly topic = 'recover'
  static override summary = 'approve the definition of a recovery, as this home'
  static override examples = [
    '<%= config.bin %> recover approve --definition repair.yaml',
    '<%= config.bin %> recover approve --definition repair.yaml --confirm $CEREMONY_ID --no-input',
  ]
}
