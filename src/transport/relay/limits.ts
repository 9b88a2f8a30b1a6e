/**
 * Limits beyond which a relay says no. Sizes in bytes, times in milliseconds. Where something that all share is used up
 * (`rooms`, `connections`, `strangers`, `bufferedTotal`, `notes`), whoever holds most of it gives way.
 */
export interface Limits {
  /** One frame from member to member. */
  readonly frame: number
  /** WebSocket fragments of one message. */
  readonly fragments: number
  readonly rooms: number
  readonly members: number
  readonly connectionsPerRoom: number
  /** Of one member in one room; the oldest gives way. */
  readonly connectionsPerMember: number
  readonly connections: number
  /** Not yet WebSockets. */
  readonly handshakes: number
  /** Not yet admitted. */
  readonly strangers: number
  /** New WebSockets a second from one network, and how many at once before that counts; four times as many connections. */
  readonly opensPerSecond: number
  readonly opensBurst: number
  /** All that a connection may send before it is admitted, and in how many messages and pings. */
  readonly strangerBytes: number
  readonly strangerFrames: number
  /** Until a connection is admitted. */
  readonly strangerTime: number
  /** HTTP request and TLS handshake. */
  readonly handshakeTime: number
  /** Frames and bytes a second from one connection; beyond them it is read no further for a while. */
  readonly framesPerSecond: number
  readonly bytesPerSecond: number
  /** Bytes of notes a second from one network, and how many at once before that counts. */
  readonly noteBytesPerSecond: number
  readonly noteBytesBurst: number
  /**
   * Work in one turn of the event loop for strangers and for those who send much: pieces of 4 KiB parsed, WebSockets
   * opened.
   */
  readonly perTurn: number
  /** Waiting for one slow reader, with 1 KiB more for each message; beyond it the reader is cut. */
  readonly buffered: number
  /** Waiting for all readers together, and messages that have not come whole. */
  readonly bufferedTotal: number
  /** All notes kept. */
  readonly notes: number
  /** A connection that says nothing for so long, not even to a ping, is cut. */
  readonly idle: number
  /** A room that nobody is in is kept so long for its notes. */
  readonly roomIdle: number
  /** Time to leave when the relay stops. */
  readonly drain: number
}

export const defaultLimits: Limits = {
  frame: 65_536,
  fragments: 16,
  rooms: 4096,
  members: 48,
  connectionsPerRoom: 192,
  connectionsPerMember: 4,
  connections: 16_384,
  handshakes: 1024,
  strangers: 512,
  opensPerSecond: 50,
  opensBurst: 500,
  strangerBytes: 65_536,
  strangerFrames: 128,
  strangerTime: 5000,
  handshakeTime: 5000,
  framesPerSecond: 2000,
  bytesPerSecond: 33_554_432,
  noteBytesPerSecond: 1_048_576,
  noteBytesBurst: 16_777_216,
  perTurn: 1,
  buffered: 8_388_608,
  bufferedTotal: 134_217_728,
  notes: 67_108_864,
  idle: 60_000,
  roomIdle: 86_400_000,
  drain: 2000,
}
