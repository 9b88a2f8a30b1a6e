import { type RawSigner, verifyEd25519 } from '../identity/ed25519.ts'
import type { Hash, Identity, KeyHex } from '../lib/brand.ts'
import { concat, equal, fromBase64, fromHex, fromUtf8, toBase64, utf8 } from '../lib/bytes.ts'
import { sha256 } from '../lib/hash.ts'
import { DecodeError } from '../records/codec.ts'

/**
 * C2SP signed-note, tlog-checkpoint and tlog-cosignature (c2sp.org, v1.0), as far as logs here need them: checkpoints
 * without extension lines, Ed25519 only. The parsers take exactly what the writers write.
 */

/** Bytes; a checkpoint with the cosignatures of 64 witnesses is about half of it. */
export const NOTE_LIMIT = 32_768
const MOST_SIGNATURES = 64

/** Ed25519 over the note's text. */
const ALG_LOG = 1
/** cosignature/v1: Ed25519 over a time and the text. */
const ALG_COSIGNATURE = 4

/** C2SP: not empty, no Unicode space, no plus. */
const NAME = /^[^\s+]{1,255}$/u
const SIZE = /^(?:0|[1-9][0-9]{0,15})$/
const SIGNATURE_LINE = /^\u2014 (\S+) (\S+)$/u

export const ledgerOrigin = (identity: Identity): string => `quorate/ledger/${identity}`
export const ceremonyOrigin = (ceremony: Hash, identity: Identity): string => `quorate/ceremony/${ceremony}/${identity}`
/** The name that a site's cosignatures go by. */
export const witnessName = (identity: Identity): string => `quorate/witness/${identity}`

const keyId = (name: string, alg: number, key: KeyHex): Uint8Array =>
  sha256(utf8(`${name}\n`), Uint8Array.of(alg), fromHex(key)).subarray(0, 4)

interface NoteSignature {
  readonly name: string
  readonly keyId: Uint8Array
  /** 64 bytes of a log; of a cosignature 8 bytes of time before them. */
  readonly signature: Uint8Array
}

interface Note {
  /** Ends in a newline; what is signed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

const signatureLine = (s: NoteSignature): string => `\u2014 ${s.name} ${toBase64(concat(s.keyId, s.signature))}\n`

export const encodeNote = (note: Note): string => `${note.text}\n${note.signatures.map(signatureLine).join('')}`

const parseSignature = (line: string): NoteSignature => {
  const [, name, blob] = SIGNATURE_LINE.exec(line) ?? []
  if (name === undefined || blob === undefined || !NAME.test(name)) throw new DecodeError('note: bad signature line')
  const bytes = fromBase64(blob)
  if (bytes.length < 5) throw new DecodeError('note: short signature')
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) }
}

const parse = (note: string | Uint8Array): Note => {
  const bytes = typeof note === 'string' ? utf8(note) : note
  if (bytes.length > NOTE_LIMIT) throw new DecodeError(`note: more than ${NOTE_LIMIT} bytes`)
  const whole = fromUtf8(bytes)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the format forbids them
  if (/[\u0000-\u0009\u000b-\u001f]/.test(whole)) throw new DecodeError('note: control character')
  const end = whole.lastIndexOf('\n\n')
  if (end < 1 || !whole.endsWith('\n')) throw new DecodeError('note: no text and signatures')
  const lines = whole.slice(end + 2, -1).split('\n')
  if (lines.length > MOST_SIGNATURES) throw new DecodeError('note: too many signatures')
  const parsed: Note = { text: whole.slice(0, end + 1), signatures: lines.map(parseSignature) }
  if (encodeNote(parsed) !== whole) throw new DecodeError('note: not canonical')
  return parsed
}

/** Throws DecodeError and nothing else. */
const total = <T>(read: () => T): T => {
  try {
    return read()
  } catch (error) {
    throw error instanceof DecodeError ? error : new DecodeError('note: unreadable')
  }
}

/** Throws DecodeError on whatever `encodeNote` would not have written. */
export const parseNote = (note: string | Uint8Array): Note => total(() => parse(note))

/** The statement of a checkpoint: the first `size` entries of the log `origin` have this root. */
export interface TreeHead {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

const headText = (head: TreeHead): string => `${head.origin}\n${head.size}\n${toBase64(head.root)}\n`

const parseHead = (text: string): TreeHead => {
  const [origin, size, root, ...rest] = text.split('\n')
  if (origin === undefined || size === undefined || root === undefined || rest.length !== 1 || rest[0] !== '')
    throw new DecodeError('checkpoint: not three lines')
  const head: TreeHead = { origin, size: Number(size), root: fromBase64(root) }
  if (!NAME.test(origin) || !SIZE.test(size) || !Number.isSafeInteger(head.size) || head.root.length !== 32)
    throw new DecodeError('checkpoint: bad origin, size or root')
  return head
}

/** A note whose text is a tree head. Nothing is verified. Throws DecodeError. */
export const parseCheckpoint = (note: string | Uint8Array): TreeHead & { readonly note: Note } =>
  total(() => {
    const parsed = parse(note)
    return { ...parseHead(parsed.text), note: parsed }
  })

/** The checkpoint note of a log, signed under the log's own name. */
export const signCheckpoint = (head: TreeHead, signer: RawSigner): string => {
  const text = headText(head)
  const id = keyId(head.origin, ALG_LOG, signer.key)
  return encodeNote({ text, signatures: [{ name: head.origin, keyId: id, signature: signer.sign(utf8(text)) }] })
}

/**
 * The tree head of a note whose only log signature is first and verifies under `key`, and whose origin is `origin`;
 * cosignatures may follow. Throws DecodeError.
 */
export const openCheckpoint = (
  note: string | Uint8Array,
  origin: string,
  key: KeyHex,
): TreeHead & { readonly note: Note } => {
  const head = parseCheckpoint(note)
  const [own, ...others] = head.note.signatures
  if (head.origin !== origin) throw new DecodeError('checkpoint: of another log')
  if (own === undefined || own.name !== origin || others.some((s) => s.name === origin))
    throw new DecodeError('checkpoint: not one signature of the log itself, first')
  if (!equal(own.keyId, keyId(origin, ALG_LOG, key)) || !verifyEd25519(key, utf8(head.note.text), own.signature))
    throw new DecodeError('checkpoint: not signed by the key of the log')
  return head
}

const seconds = (time: number): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(time))
  return out
}

const cosigned = (time: number, text: string): Uint8Array => utf8(`cosignature/v1\ntime ${time}\n${text}`)

/** One signature line over a checkpoint's text, with its newline. `time` in seconds since 1970. */
export const cosignLine = (text: string, name: string, signer: RawSigner, time: number): string => {
  const signature = concat(seconds(time), signer.sign(cosigned(time, text)))
  return signatureLine({ name, keyId: keyId(name, ALG_COSIGNATURE, signer.key), signature })
}

/** The time (seconds) of a cosignature by `name` under `key` over `text`; undefined where it is not one. */
export const verifyCosignature = (
  text: string,
  signature: NoteSignature,
  name: string,
  key: KeyHex,
): number | undefined => {
  if (signature.name !== name || signature.signature.length !== 72) return undefined
  if (!equal(signature.keyId, keyId(name, ALG_COSIGNATURE, key))) return undefined
  const view = new DataView(signature.signature.buffer, signature.signature.byteOffset, 8)
  const time = Number(view.getBigUint64(0))
  if (!Number.isSafeInteger(time)) return undefined
  return verifyEd25519(key, cosigned(time, text), signature.signature.subarray(8)) ? time : undefined
}

/** A checkpoint note with cosignature lines after the log's own, sorted and each once. Throws DecodeError. */
export const withCosignatures = (note: string, lines: readonly string[]): string => {
  const { text, signatures } = parseNote(note)
  const merged = [...new Set([...signatures.slice(1).map(signatureLine), ...lines])].sort()
  const joined = `${encodeNote({ text, signatures: signatures.slice(0, 1) })}${merged.join('')}`
  parseNote(joined)
  return joined
}
