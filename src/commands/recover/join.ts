import { JoinCommand } from '../../cli/join-command.ts'

export default class RecoverJoin extends JoinCommand {
  protected override readonly topic = 'recover'
  static override summary = 'take part in a recovery with the other sites'
  static override examples = [
    '<%= config.bin %> recover join --definition break-glass.yaml',
    '<%= config.bin %> recover join --definition break-glass.yaml --json --json-events --no-input',
  ]
}
