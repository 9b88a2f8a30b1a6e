import { JoinCommand } from '../../cli/join-command.ts'

export default class RecoverJoin extends JoinCommand {
  protected override readonly topic = 'recover'
  static override summary = 'make the lost share again with the other sites, for the machine in its place'
  static override examples = [
    '<%= config.bin %> recover join --definition repair.yaml',
    '<%= config.bin %> recover join --definition repair.yaml --json --json-events --no-input',
  ]
}
