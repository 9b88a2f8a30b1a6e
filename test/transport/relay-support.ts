import { systemClock } from '../../src/host/clock.ts'
import { systemRandom } from '../../src/host/random.ts'
import { certify } from '../../src/identity/certificate.ts'
import { toEnvelope } from '../../src/identity/dsse.ts'
import { type RawSigner, rawSigner, recordSigner } from '../../src/identity/ed25519.ts'
import { identityOf } from '../../src/identity/identity.ts'
import type { Identity } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'
import { type Note, noteCodec } from '../../src/records/note.ts'
import type { Signer } from '../../src/records/signed.ts'
import type { Member } from '../../src/transport/relay/room.ts'
import { type Relay, type RelayOptions, startRelay } from '../../src/transport/relay/server.ts'
import { connectRelays, type RelayRoom } from '../../src/transport/relay-client.ts'
import type { RelaysOptions } from '../../src/transport/relay-link.ts'
import { AUTHORITY, site } from './support.ts'

export interface Person {
  readonly member: Member
  readonly identityKey: RawSigner
  readonly noteSigner: Signer
  readonly noteCertificate: Uint8Array
}

export const person = async (name: string, role: Member['role'] = 'site'): Promise<Person> => {
  const identityKey = rawSigner(new Secret(systemRandom(32)))
  const noteSigner = recordSigner(site(name), rawSigner(new Secret(systemRandom(32))))
  const identity = identityOf(role, identityKey.key)
  const certificate = await certify(recordSigner(site(name), identityKey), identity, 'note', noteSigner.key)
  return {
    member: { name: site(name), identity, role },
    identityKey,
    noteSigner,
    noteCertificate: toEnvelope(certificate),
  }
}

export const relaySigner = (): Signer => recordSigner(site('relay'), rawSigner(new Secret(systemRandom(32))))

export const relayOn = (options: Partial<RelayOptions> = {}): Promise<Relay> =>
  startRelay({
    host: '127.0.0.1',
    port: 0,
    signer: relaySigner(),
    clock: systemClock,
    random: systemRandom,
    ...options,
  })

export const enterAs = (
  self: Person,
  everybody: readonly Person[],
  relays: readonly { readonly url: string; readonly identity?: Identity | null }[],
  changes: Partial<RelaysOptions> = {},
): RelayRoom =>
  connectRelays({
    relays: relays.map(({ url, identity }) => ({ url, identity: identity ?? null })),
    authority: AUTHORITY,
    members: everybody.map(({ member }) => member),
    self: self.member.name,
    noteSigner: self.noteSigner,
    noteCertificate: self.noteCertificate,
    clock: systemClock,
    random: systemRandom,
    ...changes,
  })

export const noteOf = async (author: Person, counter: number, changes: Partial<Note> = {}): Promise<Uint8Array> =>
  toEnvelope(
    await author.noteSigner.sign(noteCodec, {
      ceremony: AUTHORITY,
      identity: author.member.identity,
      counter,
      at: 0,
      phase: 'gathering',
      approvals: [],
      votes: [],
      certificates: [],
      evidence: [],
      abort: null,
      ...changes,
    }),
  )
