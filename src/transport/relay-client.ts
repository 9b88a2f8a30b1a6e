import * as v from 'valibot'
import { QuorateError } from '../lib/errors.ts'
import { isLoopback } from './loopback.ts'
import { Queue } from './queue.ts'
import { NOTE_LIMIT } from './relay/protocol.ts'
import { membersSchema, roomName, sortMembers } from './relay/room.ts'
import { encodeAddressed } from './relay-frame.ts'
import { RelayLink, type RelayStatus, type RelaysOptions, type SharedRoom } from './relay-link.ts'
import type { NoteBoard, Wire } from './wire.ts'

const RECEIVED = 33_554_432

export interface RelayRoom extends Wire, NoteBoard {
  status(): readonly RelayStatus[]
}

/** The reason why a site does not dial this URL, wss anywhere and ws on this machine alone; undefined where it does. */
export const relayUrlFault = (text: string): QuorateError | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['ws:', 'wss:'].includes(url.protocol) || url.search !== '' || url.hash !== '')
    return new QuorateError(
      'E_DEFINITION',
      'a relay is not a ws:// or wss:// URL',
      'correct the relay in the definition',
    )
  if (url.protocol === 'wss:' || isLoopback(url.hostname)) return undefined
  return new QuorateError(
    'E_DEFINITION',
    `relay ${url.host} would be reached without TLS`,
    'write wss:// in the definition; ws:// is for a relay on the same machine',
  )
}

/**
 * The room of an authority at all its relays at once. A frame goes out on every one of them; what comes twice, the
 * reader must tell. No word of a relay is relied on.
 */
export const connectRelays = (options: RelaysOptions): RelayRoom => {
  for (const { url } of options.relays) {
    const fault = relayUrlFault(url)
    if (fault !== undefined) throw fault
  }
  const members = sortMembers(options.members)
  if (!v.is(membersSchema, members))
    throw new QuorateError(
      'E_DEFINITION',
      'the sites and approvers do not make a room: each needs a name and an identity of its own',
      'correct the names and identities in the definition',
    )
  const shared: SharedRoom = {
    options,
    room: roomName(options.authority, members),
    members,
    names: new Set(members.map((member) => member.name)),
    frames: new Queue(RECEIVED, (frame) => frame.bytes.length + 64),
    notes: new Queue(RECEIVED, (note) => note.note.length + note.certificate.length),
    posted: undefined,
    opened: () => {},
  }
  const links = options.relays.map((relay) => new RelayLink(shared, relay))
  return {
    send: (to, frame) => {
      const bytes = encodeAddressed({ from: options.self, to, bytes: frame })
      for (const link of links) link.send(bytes)
    },
    receive: () => shared.frames,
    whenOpened: (act) => {
      shared.opened = act
    },
    post: (note) => {
      if (note.length > NOTE_LIMIT) throw new RangeError(`note of ${note.length} bytes`)
      shared.posted = note
      for (const link of links) link.post()
    },
    notes: () => shared.notes,
    status: () => links.map((link) => link.status),
    close: async () => {
      await Promise.all(links.map((link) => link.close()))
      shared.frames.end()
      shared.notes.end()
    },
  }
}
