import { AbortCommand } from '../../cli/abort-command.ts'

export default class SignAbort extends AbortCommand {
  static override summary = 'take this site out of a ceremony, for good'
  static override examples = ['<%= config.bin %> sign abort --definition payment.yaml --reason "wrong relay"']
  protected readonly topic = 'sign'
}
