import { QuorateError } from '../lib/errors.ts'
import { DecodeError } from './codec.ts'
import { type Definition, definitionCodec, definitionSchema, recordKind } from './definition.ts'
import { type Comments, decodeYaml, encodeYaml } from './yaml.ts'

/** Most bytes of a definition file. */
const DEFINITION_LIMIT = 262_144

const OPEN_BRACE = 0x7b

/**
 * The definition in a file that people wrote (strict YAML) or that a home keeps (canonical JSON, which begins with `{`).
 * Throws E_DEFINITION that names path, line and what was expected.
 */
export const readDefinition = async (bytes: Uint8Array): Promise<Definition> => {
  try {
    if (bytes[0] === OPEN_BRACE) return definitionCodec.decode(bytes)
    const definition = await decodeYaml(definitionCodec.type, definitionSchema, bytes, DEFINITION_LIMIT)
    // Canonical JSON has a limit of its own: a file over it could be read and never signed.
    definitionCodec.encode(definition)
    return definition
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new QuorateError(
      'E_DEFINITION',
      error.message,
      'mend this place in the definition; a file that was approved already must not be changed, but planned anew',
      {},
      error,
    )
  }
}

const comments: Comments = {
  type: 'All that people decide about one ceremony. Its canonical JSON is hashed; the hash is the ceremony id and what is\napproved. Any change makes another ceremony. Check it with: quorate TOPIC plan --definition FILE',
  kind: 'What is done.',
  name: 'A label for people; a key is identified by a hash.',
  protocol: 'Signature scheme and curve.',
  threshold: 'How many sites sign together. One fewer learn nothing and can sign nothing.',
  sites: 'In order: the place in this list, from 1, is the index of the share. Each entry equals the card of its site.',
  approvers: 'Identities that must approve and hold no share.',
  sealing:
    'one-key: each shard under the one KMS key of its site.\ntwo-of-three: where a site names three, any two of them open its shard.',
  relays: 'Untrusted: they pass sealed frames on. All are used at once; one that answers is enough.',
  window: 'When an attempt may start; one that runs may finish later.',
  attempts: 'Most attempts that a site takes part in.',
  deadlines: 'Seconds. Silence ends an attempt and accuses nobody.',
  clock:
    'Seconds that the clocks of two sites may differ: over `warn` people are told, over `refuse` the site takes no seat.',
  key: 'The key: hash of its keygen outcome.',
  base: 'The record that this builds on.',
  epoch: 'Number of the epoch that is made.',
  supersedes: 'Undecided records of this key: this one takes their place.',
  from: 'The epoch that is replaced: its quorum, the sites that hold its shares in the order of their indices, and those who deal.',
  receivers: 'How many of these sites, from the first, hold a share afterwards.',
  message: 'What is signed.',
  signers: 'Sites by name, in the order above; or any: the first quorum that is there.',
  nonce: '128 random bits: no two definitions share a hash.',
}

/** In the order in which people read a definition. */
const order = [
  'kind',
  'name',
  'key',
  'base',
  'epoch',
  'supersedes',
  'from',
  'message',
  'signers',
  'protocol',
  'threshold',
  'sites',
  'receivers',
  'approvers',
  'sealing',
  'relays',
  'window',
  'attempts',
  'deadlines',
  'clock',
  'nonce',
] as const

/** A commented file that `readDefinition` reads back as the same definition. */
export const definitionYaml = (definition: Definition): Uint8Array => {
  const place = (field: string): number => order.indexOf(field as (typeof order)[number])
  const fields = Object.entries(definition).sort(([a], [b]) => place(a) - place(b))
  return encodeYaml(definitionCodec.type, Object.fromEntries(fields), {
    ...comments,
    type: comments['type']?.replace('TOPIC', recordKind(definition).topic) ?? '',
  })
}
