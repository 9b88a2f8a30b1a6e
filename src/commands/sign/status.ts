import { StatusCommand } from '../../cli/status-command.ts'

export default class SignStatus extends StatusCommand {
  static override summary = 'what has happened, and who does what next'
  static override examples = ['<%= config.bin %> sign status --definition payment.yaml']
  protected readonly topic = 'sign'
}
