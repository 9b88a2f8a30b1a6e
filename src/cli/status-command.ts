import type { Topic } from '../records/kinds/kind.ts'
import { QuorateCommand, type Shown } from './base-command.ts'
import { ceremonyFlags, ceremonyOf } from './ceremony-flags.ts'
import { toggle } from './flags.ts'
import { relayAccess } from './relay-access.ts'
import { statusView } from './render/status.ts'

/** `status` under every topic: reads, writes nothing, needs no passphrase. */
export abstract class StatusCommand extends QuorateCommand {
  protected abstract readonly topic: Topic
  static override description =
    'This site by its own logs; the others by the signed notes that a relay shows, with their age. Writes nothing and needs no passphrase.'
  static override flags = { ...ceremonyFlags, offline: toggle({ summary: 'ask no relay' }) }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(this.ctor as typeof StatusCommand)
    const { home, definition } = await ceremonyOf(this.topic, flags)
    const { status } = await import('../site/status.ts')
    return this.show(
      statusView,
      await status({ home, definition, offline: flags.offline, relays: await relayAccess(flags) }),
    )
  }
}
