import { AbortCommand } from '../../cli/abort-command.ts'

export default class RecoverAbort extends AbortCommand {
  static override summary = 'take this site out of a ceremony, for good'
  static override examples = ['<%= config.bin %> recover abort --definition repair.yaml --reason "wrong relay"']
  protected readonly topic = 'recover'
}
