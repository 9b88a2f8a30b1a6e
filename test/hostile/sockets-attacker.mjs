// One process of hostile sockets against a relay on this machine: keeps as many of each kind open as it is told, each
// opened again a moment after it ended. Arguments: {"port":1,"address":"127.0.0.2","kinds":{"silent":10,…}}. Ends with
// its stdin, and prints what it did.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { setPriority } from 'node:os'
import { deflateRawSync } from 'node:zlib'
import WebSocket from 'ws'
import { certify } from '../../dist/identity/certificate.js'
import { toEnvelope } from '../../dist/identity/dsse.js'
import { rawSigner, recordSigner } from '../../dist/identity/ed25519.js'
import { identityOf } from '../../dist/identity/identity.js'
import { fromBase64, fromUtf8, toBase64 } from '../../dist/lib/bytes.js'
import { Secret } from '../../dist/lib/secret.js'
import { noteCodec } from '../../dist/records/note.js'
import { decodeEnvelope } from '../../dist/records/signed.js'
import { answerCodec, challengeCodec, relayMessageCodec } from '../../dist/transport/relay/protocol.js'
import { roomName } from '../../dist/transport/relay/room.js'
import { encodeAddressed } from '../../dist/transport/relay-frame.js'

const { port, address, kinds } = JSON.parse(process.argv[2])
const AGAIN = 250
// Where nothing better is to be had (sockets-world.ts), the least that a process can ask for.
setPriority(19)

const did = {}
const count = (what) => {
  did[what] = (did[what] ?? 0) + 1
}
let stopped = false
const live = new Set()
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const rooms = Array.from({ length: 64 }, () => randomBytes(32).toString('hex'))
const pick = (list) => list[randomBytes(1)[0] % list.length]

const tcp = (begin) =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: address, allowHalfOpen: true })
    live.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      live.delete(socket)
      resolve()
    })
    socket.on('connect', () => begin(socket))
  })

const request = (extra = '') =>
  `GET /${pick(rooms)} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n` +
  `sec-websocket-key: ${randomBytes(16).toString('base64')}\r\n${extra}\r\n`

/** A client's frame under the mask of zeros. */
const frame = (first, payload, declared = payload.length) => {
  const long = declared > 65_535
  const head = Buffer.alloc(long ? 14 : declared > 125 ? 8 : 6)
  head[0] = first
  head[1] = 0x80 | (long ? 127 : declared > 125 ? 126 : declared)
  if (long) head.writeBigUInt64BE(BigInt(declared), 2)
  else if (declared > 125) head.writeUInt16BE(declared, 2)
  return Buffer.concat([head, payload])
}
const BINARY = 0x82
const TEXT = 0x81
const PING = 0x89
const COMPRESSED = 0xc2
const some = randomBytes(1000)
const bomb = deflateRawSync(Buffer.alloc(10_000_000))

/** A WebSocket that does this as soon as it is one. */
const upgraded = (act, extra) =>
  tcp((socket) => {
    socket.write(request(extra))
    socket.once('data', () => act(socket))
    socket.on('data', () => {})
    socket.on('end', () => socket.destroy())
  })
const flooding = (bytes) =>
  upgraded((socket) => {
    const go = () => {
      while (!socket.destroyed && socket.write(bytes));
    }
    socket.on('drain', go)
    go()
  })

const person = async (name) => {
  const [own, note] = [rawSigner(new Secret(randomBytes(32))), rawSigner(new Secret(randomBytes(32)))]
  const identity = identityOf('site', own.key)
  const certificate = toEnvelope(await certify(recordSigner(name, own), identity, 'note', note.key))
  return { member: { name, identity, role: 'site' }, signer: recordSigner(name, note), certificate }
}
const authority = randomBytes(32).toString('hex')
/** Enters the room of `people` as one of them, with a nonce of its own where it lies; `then` once it was let in. */
const enter = (self, people, lies, then) => enterRoom(authority, self, people, lies, then)
const enterRoom = (authority, self, people, lies, then) =>
  new Promise((resolve) => {
    const members = people.map(({ member }) => member)
    const room = roomName(authority, members)
    const socket = new WebSocket(`ws://127.0.0.1:${port}/${room}`, { localAddress: address, perMessageDeflate: false })
    live.add(socket)
    socket.destroy = () => socket.terminate()
    socket.on('error', () => {})
    socket.on('close', () => {
      live.delete(socket)
      resolve()
    })
    socket.on('message', async (data, isBinary) => {
      if (isBinary) return
      const message = relayMessageCodec.decode(new Uint8Array(data))
      if (message.what === 'admitted') then?.(socket)
      if (message.what !== 'challenge') return
      const challenge = fromBase64(message.challenge)
      const { relay, nonce } = challengeCodec.decode(decodeEnvelope(challenge, challengeCodec.limit).payload)
      const answer = await self.signer.sign(answerCodec, {
        room,
        relay,
        nonce: lies ? authority : nonce,
        exporter: null,
        identity: self.member.identity,
      })
      const said = {
        what: 'enter',
        authority,
        members,
        name: self.member.name,
        certificate: toBase64(self.certificate),
        answer: toBase64(toEnvelope(answer)),
      }
      if (socket.readyState === WebSocket.OPEN) socket.send(fromUtf8(relayMessageCodec.encode(said)))
    })
  })

/** An envelope in base64, nearly as long as a note may be. */
const longNote = async ({ member, signer }, authority, counter) =>
  toBase64(
    toEnvelope(
      await signer.sign(noteCodec, {
        ceremony: authority,
        identity: member.identity,
        counter,
        at: 0,
        phase: 'gathering',
        approvals: [],
        votes: [],
        certificates: [],
        evidence: ['x'.repeat(250_000)],
        abort: null,
      }),
    ),
  )
const postOf = (note) => fromUtf8(relayMessageCodec.encode({ what: 'post', note }))

/** All members of one room, made at the first call; each may be in it more than once. */
let crowd
const CROWD = 48
let turn = 0
let self

const attacks = {
  /** A pair: one reads nothing, and just so much is sent to it that it is not cut; then both stay. */
  lazy: async () => {
    const [writer, lazy] = [await person('a'), await person('b')]
    const bytes = encodeAddressed({ from: 'a', to: 'b', bytes: randomBytes(60_000) })
    const reading = enter(lazy, [writer, lazy], false, async (socket) => {
      socket.pause()
      await enter(writer, [writer, lazy], false, (one) => {
        for (let n = 0; n < 170; n += 1) one.send(bytes)
        one.on('close', () => socket.terminate())
        socket.on('close', () => one.terminate())
      })
    })
    await reading
  },
  /** The most of a message that may be sent, and no end of it. */
  halves: async () => {
    self ??= await person('a')
    const own = randomBytes(32).toString('hex')
    await enterRoom(own, self, [self], false, (socket) => {
      socket.send(Buffer.alloc(500_000), { fin: false })
      const alive = setInterval(() => socket.ping(), 5000)
      socket.on('close', () => clearInterval(alive))
    })
  },
  /** Long notes from everybody in a full room, again and again; each is shown to all others. */
  notes: async () => {
    crowd ??= Promise.all(
      Array.from({ length: CROWD }, async (_, n) => {
        const one = await person(`m${String(n).padStart(2, '0')}`)
        return { one, posts: [postOf(await longNote(one, authority, 1)), postOf(await longNote(one, authority, 2))] }
      }),
    )
    const all = await crowd
    const { one, posts } = all[turn++ % CROWD]
    const people = all.map((member) => member.one)
    await enter(one, people, false, async (socket) => {
      for (let n = 0; socket.readyState === WebSocket.OPEN; n += 1)
        await new Promise((resolve) => socket.send(posts[n % posts.length], resolve))
    })
  },
  /** A room of its own for each, all of one identity. */
  rooms: async () => {
    self ??= await person('a')
    await enterRoom(randomBytes(32).toString('hex'), self, [self], false, () => {})
  },
  /** A long note in a new room, left behind. */
  leave: async () => {
    const own = randomBytes(32).toString('hex')
    const author = await person('a')
    const post = postOf(await longNote(author, own, 1))
    await enterRoom(own, author, [author], false, (socket) => {
      socket.send(post)
      setTimeout(() => socket.close(), 500)
    })
  },
  silent: () => upgraded(() => {}),
  slow: () =>
    tcp(async (socket) => {
      socket.resume()
      for (const letter of request()) {
        if (socket.destroyed || stopped) return
        socket.write(letter)
        await pause(200)
      }
    }),
  flood: () => flooding(Buffer.concat(Array.from({ length: 16 }, () => frame(BINARY, some)))),
  small: () => flooding(Buffer.concat(Array.from({ length: 500 }, () => frame(PING, Buffer.of(1))))),
  huge: () =>
    pick([
      () =>
        tcp((socket) =>
          socket
            .on('end', () => socket.destroy())
            .resume()
            .write(`GET /${'x'.repeat(50_000)}`),
        ),
      () => flooding(frame(BINARY, Buffer.alloc(0), 2 ** 40)),
      () => flooding(frame(TEXT, Buffer.alloc(524_288, 34))),
    ])(),
  compressed: () =>
    upgraded(
      (socket) => socket.write(frame(COMPRESSED, bomb)),
      'sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n',
    ),
  malformed: () =>
    pick([
      () =>
        tcp((socket) =>
          socket
            .on('end', () => socket.destroy())
            .resume()
            .write(randomBytes(3000)),
        ),
      () => upgraded((socket) => socket.write(randomBytes(3000))),
      () => upgraded((socket) => socket.write(frame(TEXT, Buffer.from('{"what":"enter"}')))),
      () => upgraded((socket) => socket.write(frame(TEXT, Buffer.from(`${'['.repeat(30_000)}`)))),
    ])(),
  halfClosed: () =>
    pick([
      () => tcp((socket) => socket.end(request().slice(0, 60))),
      () => tcp((socket) => socket.end(request())),
      () => tcp((socket) => socket.end()),
    ])(),
  forged: async () => {
    const self = await person('a')
    await enter(self, [self], true)
  },
  /** Of a room of its own: who may open rooms is not limited here. */
  member: async () => {
    const [self, lazy] = [await person('a'), await person('b')]
    const bytes = encodeAddressed({ from: 'a', to: 'b', bytes: randomBytes(1000) })
    const reading = enter(lazy, [self, lazy], false, (socket) => socket.pause())
    await enter(self, [self, lazy], false, async (socket) => {
      while (socket.readyState === WebSocket.OPEN) {
        for (let i = 0; i < 50; i += 1) socket.send(bytes)
        await new Promise((resolve) => socket.send(bytes, resolve))
      }
    })
    await reading
  },
}

const keep = async (kind) => {
  await pause(randomBytes(1)[0] * 4)
  while (!stopped) {
    count(kind)
    await attacks[kind]()
    await pause(AGAIN / 2 + randomBytes(1)[0])
  }
}
const all = Object.entries(kinds).flatMap(([kind, n]) => Array.from({ length: n }, () => keep(kind)))
setTimeout(() => process.stdout.write('begun\n'), 1500)
process.stdin.resume()
process.stdin.on('end', () => {
  stopped = true
  for (const socket of live) socket.destroy()
  process.stdout.write(`${JSON.stringify(did)}\n`, () => process.exit(0))
})
await Promise.all(all)
