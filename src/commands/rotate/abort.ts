import { AbortCommand } from '../../cli/abort-command.ts'

export default class RotateAbort extends AbortCommand {
  static override summary = 'take this site out of a ceremony, for good'
  static override examples = ['<%= config.bin %> rotate abort --definition refresh.yaml --reason "wrong relay"']
  protected readonly topic = 'rotate'
}
