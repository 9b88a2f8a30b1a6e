import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { readTextFile } from '../../cli/files.ts'
import { passphraseFileFlag, wholeFlag } from '../../cli/flags.ts'
import { relayEventLine, relayView } from '../../cli/render/relay.ts'
import { passphraseAsked } from '../../cli/secret-input.ts'
import { asciiEvent, say } from '../../cli/term.ts'

export default class RelayServe extends QuorateCommand {
  static override summary = 'run a relay until it is stopped'
  static override description =
    'It passes sealed frames from member to member and can neither read nor forge them. Without TLS it listens on this machine only, or behind a proxy that ends TLS: --behind-proxy takes the client from the last address of X-Forwarded-For. The relay of one organisation should open rooms for its own alone: --allow. The result is printed when it listens; GET /health and /metrics on the same port; who asks from elsewhere than this machine sees traffic alone. A certificate that was renewed is taken within a minute. SIGTERM or Ctrl-C drains.'
  static override examples = [
    '<%= config.bin %> relay serve',
    '<%= config.bin %> relay serve --host 0.0.0.0 --port 443 --tls-certificate relay.pem --tls-key relay.key --home /srv/relay',
    '<%= config.bin %> relay serve --host 0.0.0.0 --port 8080 --behind-proxy --home /srv/relay',
  ]
  static override flags = {
    host: Flags.string({ summary: 'address to listen on', default: '127.0.0.1' }),
    port: wholeFlag({ summary: 'port to listen on; 0 for any free one', min: 0, max: 65_535, default: 43_117 }),
    'tls-certificate': Flags.string({ summary: 'certificate chain (PEM)', helpValue: 'FILE', dependsOn: ['tls-key'] }),
    'tls-key': Flags.string({ summary: 'its key (PEM)', helpValue: 'FILE', dependsOn: ['tls-certificate'] }),
    'behind-proxy': Flags.boolean({
      summary: 'a proxy ends TLS, and names each client in X-Forwarded-For; nobody else reaches this port',
    }),
    home: Flags.string({
      summary: 'home of the relay; without it the identity is a new one each time',
      helpValue: 'FOLDER',
    }),
    'passphrase-file': passphraseFileFlag,
    allow: Flags.string({
      summary:
        "identity that may open rooms; without any, everybody may. Recommended where the relay is one organisation's",
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'IDENTITY',
    }),
    limit: Flags.string({
      summary: 'another limit than the default',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'NAME=NUMBER',
    }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(RelayServe)
    const stop = this.stop()
    const { serveRelay } = await import('../../site/relay.ts')
    const [certificate, key] = [flags['tls-certificate'], flags['tls-key']]
    const read =
      certificate === undefined || key === undefined
        ? undefined
        : async () => ({ certificate: await readTextFile(certificate), key: await readTextFile(key) })
    // Stdin comes once.
    const first = certificate === '-' || key === '-' ? read?.() : undefined
    const tls = first === undefined ? read : () => first
    const { relay, shown } = await serveRelay({
      host: flags.host,
      port: flags.port,
      tls,
      behindProxy: flags['behind-proxy'],
      home: flags.home,
      passphrase: passphraseAsked(flags),
      allow: flags.allow ?? [],
      limits: flags.limit ?? [],
      stop,
      onEvent: (event) => {
        if (flags['json-events']) asciiEvent(event)
        else if (!flags.quiet) say(relayEventLine(event))
      },
    })
    const served = async (): Promise<void> => {
      if (!stop.aborted) await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }))
      await relay.close()
    }
    return this.show(relayView, shown, { serve: served })
  }
}
