import { StatusCommand } from '../../cli/status-command.ts'

export default class RotateStatus extends StatusCommand {
  static override summary = 'what has happened, and who does what next'
  static override examples = ['<%= config.bin %> rotate status --definition refresh.yaml']
  protected readonly topic = 'rotate'
}
