import type { SiteId } from '../lib/brand.ts'
import { DecodeError } from '../records/codec.ts'
import type { BundleFacts } from './bundle-facts.ts'
import { parseNote, verifyCosignature, witnessName } from './note.ts'

export interface Witnesses {
  /** Sites that cosigned it, and when they say that they did: milliseconds since 1970. */
  readonly by: ReadonlyMap<SiteId, number>
  /** The first line that is no cosignature of another site, in words. */
  readonly bad: string | undefined
}

/** Witnesses of the checkpoint of a site's log. */
export const witnessesOf = async (
  { bundle, roster, keys }: Pick<BundleFacts, 'bundle' | 'roster' | 'keys'>,
  site: SiteId,
): Promise<Witnesses> => {
  const by = new Map<SiteId, number>()
  try {
    const note = parseNote(await bundle.cosigned(site))
    for (const signature of note.signatures.slice(1)) {
      const witness = roster.find(({ identity }) => witnessName(identity) === signature.name)
      if (witness === undefined || witness.name === site) return { by, bad: 'a witness that is no other site' }
      const [seconds] = keys(witness.identity, 'cosign').flatMap(
        (key) => verifyCosignature(note.text, signature, signature.name, key) ?? [],
      )
      if (seconds === undefined) return { by, bad: `a cosignature of ${witness.name} that does not verify` }
      if (by.has(witness.name)) return { by, bad: `two cosignatures of ${witness.name}` }
      by.set(witness.name, seconds * 1000)
    }
    return { by, bad: undefined }
  } catch (error) {
    if (error instanceof DecodeError) return { by, bad: error.message }
    throw error
  }
}
