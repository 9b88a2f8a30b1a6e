import { X509Certificate } from 'node:crypto'
import { planReconstruct } from '../ceremony/definition/plan.ts'
import type { SiteId } from '../lib/brand.ts'
import { toBase64 } from '../lib/bytes.ts'
import { QuorateError } from '../lib/errors.ts'
import type { Recipient } from '../records/kinds/reconstruct.ts'
import { machine } from './machine.ts'
import { type OfKeyFlags, ofKey, type PlanMade, planMade } from './planning.ts'

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
  flags: OfKeyFlags & {
    readonly recipients: readonly string[]
    readonly reason: string
    /** Sites of the key that give no share. */
    readonly without: readonly string[]
    /** Reads the file of a certificate. */
    readonly read: (file: string) => Promise<Uint8Array>
  },
  now: number,
): Promise<PlanMade> => {
  const { wanted, seen } = await ofKey(flags, now)
  const { definition, findings } = planReconstruct(
    {
      ...wanted,
      recipients: await Promise.all(flags.recipients.map((text) => recipientOf(text, flags.read))),
      reason: flags.reason,
      without: flags.without as readonly SiteId[],
    },
    machine.random,
    now,
  )
  return planMade(definition, findings, now, seen)
}
