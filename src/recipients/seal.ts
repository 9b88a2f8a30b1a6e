import type { Recipient } from '../records/kinds/reconstruct.ts'

/** Seals bytes so that this recipient alone opens them. Each form imports its library when it is used. */
export const sealTo = async (to: Recipient, plain: Uint8Array): Promise<Uint8Array> =>
  to.form === 'age'
    ? (await import('./age.ts')).sealToAge(to.recipient, plain)
    : (await import('./x509.ts')).sealToCertificate(to.certificate, plain)
