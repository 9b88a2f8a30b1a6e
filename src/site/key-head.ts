import type { KeyHistory } from '../audit/history.ts'
import type { Trust } from '../audit/trust.ts'
import { systemClock } from '../host/clock.ts'
import { toEnvelope } from '../identity/dsse.ts'
import type { Hash, Identity } from '../lib/brand.ts'
import type { Secret } from '../lib/secret.ts'
import { type KeyHead, keyHeadCodec } from '../records/key-head.ts'
import { keyBase } from './keys.ts'
import { openSigned, reportSigner } from './signed-report.ts'

/** A site's signed word of the newest epoch that it knew, beside a history. */
export interface HistoryHead {
  readonly identity: Identity
  readonly at: string
  readonly epoch: number
  readonly record: Hash
  /** The newest epoch that is here, an older one, or one whose bundle is not here. */
  readonly says: 'newest' | 'older' | 'unknown'
}

/** Signs what this home knows of a key now. Throws E_NOT_FOUND where it uses no epoch of it. */
export const signHead = async (wanted: {
  readonly home: string
  readonly key: string
  readonly passphrase: () => Promise<Secret>
}): Promise<{ readonly head: KeyHead; readonly envelope: Uint8Array }> => {
  const { key, record, epoch, definition } = await keyBase(wanted.home, wanted.key)
  const { signer, identity } = await reportSigner(wanted.home, wanted.passphrase)
  const head: KeyHead = { key, name: definition.name, record, epoch, identity, at: systemClock.now() }
  return { head, envelope: toEnvelope(await signer.sign(keyHeadCodec, head)) }
}

/** The head in a file, signed by somebody of the trust file. Throws E_FILE and E_REFUSED. */
export const readHead = (envelope: Uint8Array, trust: Trust): KeyHead =>
  openSigned(keyHeadCodec, envelope, trust, {
    is: 'head',
    made: 'quorate keys show --head',
    instead: 'another site can sign a head of its own',
  })

/** Heads beside the history that they are about. */
export const headsOf = (
  heads: readonly KeyHead[],
  { key, epochs }: Pick<KeyHistory, 'key' | 'epochs'>,
): readonly HistoryHead[] =>
  heads
    .filter((head) => head.key === key)
    .map(({ identity, at, epoch, record }) => {
      const place = epochs.findIndex((one) => one.record === record)
      const says = place < 0 ? 'unknown' : place === epochs.length - 1 ? 'newest' : 'older'
      return { identity, at: new Date(at).toISOString(), epoch, record, says } as const
    })
