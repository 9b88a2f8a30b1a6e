import { JoinCommand } from '../../cli/join-command.ts'

export default class SignJoin extends JoinCommand {
  static override summary = 'sign with the other sites'
  static override examples = [
    '<%= config.bin %> sign join --definition payment.yaml',
    '<%= config.bin %> sign join --definition payment.yaml --json --json-events --no-input',
  ]
  protected readonly kind = 'sign'
}
