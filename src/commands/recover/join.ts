import { JoinCommand } from '../../cli/join-command.ts'

export default class RecoverJoin extends JoinCommand {
  protected override readonly topic = 'recover'
  static override summary = 'make a lost share again with the other sites, or give the share of this one away'
  static override examples = [
    '<%= config.bin %> recover join --definition repair.yaml',
    '<%= config.bin %> recover join --definition repair.yaml --json --json-events --no-input',
  ]
}
