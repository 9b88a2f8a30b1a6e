import { join, resolve } from 'node:path'
import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../cli/base-command.ts'
import { protocolFlag, toggle, wholeFlag } from '../cli/flags.ts'
import { demoReporter, demoView } from '../cli/render/demo.ts'
import { boundEnvironment } from '../cli/signals.ts'

export default class Demo extends QuorateCommand {
  static override summary = 'a whole ceremony on this machine, each site a process of its own'
  static override description =
    'A relay and the sites run as separate processes on loopback: key generation, a signature, all bundles verified. Everything lies in one new folder.'
  static override examples = [
    '<%= config.bin %> demo',
    '<%= config.bin %> demo --tour',
    '<%= config.bin %> demo --protocol frost-secp256k1-tr --sites 5 --threshold 3 --json',
  ]
  static override flags = {
    protocol: protocolFlag({ summary: 'signature scheme and curve', default: 'frost-ed25519' }),
    sites: wholeFlag({ summary: 'how many sites', min: 2, max: 12, default: 3 }),
    threshold: wholeFlag({ summary: 'how many of them sign', min: 2, max: 12, default: 2 }),
    tour: toggle({
      summary: 'then new shares, a lost share made again, shares for more sites; a signature after each',
    }),
    folder: Flags.string({ summary: 'folder that is made', default: 'quorate-demo', helpValue: 'FOLDER' }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(Demo)
    const signal = this.stop()
    const { runDemo } = await import('../site/demo.ts')
    const result = await runDemo({
      folder: resolve(flags.folder),
      protocol: flags.protocol,
      sites: flags.sites,
      threshold: flags.threshold,
      tour: flags.tour,
      bin: join(this.config.root, 'bin', 'quorate.js'),
      env: boundEnvironment(process.env),
      signal,
      tell: demoReporter(flags),
    })
    return this.show(demoView, result)
  }
}
