import { ApproveCommand } from '../../cli/approve-command.ts'

export default class RotateApprove extends ApproveCommand {
  protected override readonly topic = 'rotate'
  static override summary = 'approve the definition of a rotation, as this home'
  static override examples = [
    '<%= config.bin %> rotate approve --definition refresh.yaml',
    '<%= config.bin %> rotate approve --definition refresh.yaml --confirm $CEREMONY_ID --no-input',
  ]
}
