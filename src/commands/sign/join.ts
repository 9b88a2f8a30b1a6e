import { Flags } from '@oclif/core'
import { refuseUncreatable, writeSameFile } from '../../cli/files.ts'
import { JoinCommand } from '../../cli/join-command.ts'
import { inFormat } from '../../formats/signature.ts'
import type { Definition } from '../../records/definition.ts'
import type { Joined } from '../../site/join.ts'

export default class SignJoin extends JoinCommand {
  protected override readonly topic = 'sign'
  static override summary = 'sign with the other sites'
  static override examples = [
    '<%= config.bin %> sign join --definition payout.yaml --out payout.sig',
    '<%= config.bin %> sign join --definition payout.yaml --json --json-events --no-input',
  ]
  static override flags = {
    ...JoinCommand.flags,
    out: Flags.string({ summary: 'where to write the signature', helpValue: 'FILE' }),
    format: Flags.option({ options: ['raw', 'hex', 'base64'] as const })({
      summary: 'how --out is written; without it raw',
      dependsOn: ['out'],
    }),
  }

  /** Only the same signature may stand there already, and only where this site has made it. */
  protected override async begin(home: string, definition: Definition): Promise<void> {
    const { flags } = await this.parse(SignJoin)
    if (flags.out === undefined) return
    try {
      await refuseUncreatable(flags.out)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const { status } = await import('../../site/status.ts')
      const { phase } = await status({ home, definition, offline: true })
      if (phase !== 'done' && phase !== 'closed') throw error
    }
  }

  protected override async finish({ signature }: Joined): Promise<void> {
    const { flags } = await this.parse(SignJoin)
    if (signature !== null && flags.out !== undefined)
      await writeSameFile(flags.out, inFormat(signature, flags.format ?? 'raw'), 0o644)
  }
}
