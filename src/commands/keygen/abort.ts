import { AbortCommand } from '../../cli/abort-command.ts'

export default class KeygenAbort extends AbortCommand {
  static override summary = 'take this site out of a ceremony, for good'
  static override examples = ['<%= config.bin %> keygen abort --definition treasury.yaml --reason "wrong relay"']
  protected readonly topic = 'keygen'
}
