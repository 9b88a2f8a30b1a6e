import { X509Certificate } from 'node:crypto'
import { planReconstruct } from '../ceremony/definition/plan.ts'
import type { SiteId } from '../lib/brand.ts'
import { toBase64 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Recipient } from '../records/kinds/reconstruct.ts'
import { wholeKeysOf } from './given-away.ts'
import { keyBase } from './keys.ts'
import { machine } from './machine.ts'
import { approverOf, type CommonFlags, commonOf, made, type PlanMade, relaysOf } from './planning.ts'
import { NOTHING_SEEN } from './seen.ts'

const usage = (message: string, hint: string): QuorateError => new QuorateError('E_USAGE', message, hint)

const certificateIn = (file: string, bytes: Uint8Array): string => {
  try {
    return toBase64(new Uint8Array(new X509Certificate(bytes).raw))
  } catch {
    throw usage(`${file} holds no X.509 certificate`, 'give one certificate in PEM or DER, or an age recipient')
  }
}

/** `counsel=age1…`, or `vault=FILE` with the certificate of the one who gets the key. Throws E_USAGE. */
const recipientOf = async (text: string, read: (file: string) => Promise<Uint8Array>): Promise<Recipient> => {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw usage('--recipient is not NAME=age1… or NAME=FILE', 'the name is what people call the one who gets the key')
  if (value.startsWith('age1')) return { form: 'age', name, recipient: value }
  return { form: 'x509', name, certificate: certificateIn(value, await read(value)) }
}

/** The whole key for recipients outside of all sites. Throws E_NOT_FOUND where this home holds no share of it. */
export const planReconstruction = async (
  flags: Omit<CommonFlags, 'name'> & {
    readonly home: string
    readonly key: string
    /** Of sites of the key whose card has changed. */
    readonly cards: readonly Uint8Array[]
    readonly recipients: readonly string[]
    readonly reason: string
    /** Sites of the key that give no share. */
    readonly without: readonly string[]
    /** Reads the file of a certificate. */
    readonly read: (file: string) => Promise<Uint8Array>
  },
  now: number,
): Promise<PlanMade> => {
  const base = await keyBase(flags.home, flags.key)
  const { definition: of, publicKey } = base
  const names = of.sites.map(({ name }) => name)
  const stranger = flags.without.find((name) => !names.some((one) => one === name))
  if (stranger !== undefined)
    throw usage(`no site ${stranger} holds a share of this key`, `quorate keys show --key ${of.name} names them`)
  const { definition, findings } = planReconstruct(
    {
      ...commonOf(flags, now),
      key: base,
      cards: flags.cards,
      recipients: await Promise.all(flags.recipients.map((text) => recipientOf(text, flags.read))),
      reason: flags.reason,
      without: flags.without as readonly SiteId[],
      ...(flags.relays.length === 0 ? {} : { relays: await relaysOf(flags.relays, flags) }),
      ...(flags.approvers.length === 0 ? {} : { approvers: flags.approvers.map(approverOf) }),
    },
    machine.random,
    now,
  )
  const key = { name: of.name, protocol: of.protocol, publicKey }
  return made(definition, findings, now, {
    ...NOTHING_SEEN,
    key,
    reconstructed: await wholeKeysOf(flags.home, base.key),
  })
}
