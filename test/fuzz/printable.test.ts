import { describe, expect, test } from 'vitest'
import { definitionAuthority } from '../../src/ceremony/definition/authority.ts'
import { peerMessageCodec } from '../../src/ceremony/peers/peer-message.ts'
import { describeStatus } from '../../src/ceremony/status/describe.ts'
import { faultDocument } from '../../src/cli/fault.ts'
import { progressLine } from '../../src/cli/progress.ts'
import { joinView } from '../../src/cli/render/join.ts'
import { statusView } from '../../src/cli/render/status.ts'
import { forStdout } from '../../src/cli/term.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { fromCanonicalJson, toCanonicalJson } from '../../src/lib/canonical.ts'
import { toCbor } from '../../src/lib/cbor.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { asciiJson, printable } from '../../src/lib/printable.ts'
import { cborCodec, DecodeError, jsonCodec } from '../../src/records/codec.ts'
import { definitionCodec } from '../../src/records/definition.ts'
import { readDefinition } from '../../src/records/definition-yaml.ts'
import { cardCodec } from '../../src/records/identity.ts'
import { noteCodec } from '../../src/records/note.ts'
import { relayMessageCodec } from '../../src/transport/relay/protocol.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { many, report } from '../support/report.ts'
import { dice, mutateText, NASTY } from './mutate.ts'

const COUNT = many(4000, 50_000, 1_000_000)

/** What a terminal may be sent: no control but the line's end, nothing invisible, nothing that reorders. */
const SAFE = /^(?:\n|(?![\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}])[\s\S])*$/u

const texts = (count: number): readonly string[] => {
  const d = dice(5)
  const made: string[] = [...NASTY]
  while (made.length < count) made.push(mutateText(d, mutateText(d, d.pick(made))).slice(0, 300))
  return made
}

describe('text of others', () => {
  test('is printed escaped, whatever it is', () => {
    for (const text of texts(COUNT)) {
      const shown = printable(text)
      if (!SAFE.test(shown) || shown.includes('\n')) throw new Error(JSON.stringify([text, shown]))
      // What needs no escape stays as it is.
      if (/^[\x20-\x7e]*$/.test(text)) expect(shown).toBe(text)
    }
    for (let point = 0; point <= 0x10ffff; point++) {
      const shown = printable(String.fromCodePoint(point))
      if (!SAFE.test(shown) || shown.includes('\n')) throw new Error(`U+${point.toString(16)} is shown as it is`)
    }
  })

  test('stands in JSON as ASCII, and parses to the same', () => {
    for (const text of texts(COUNT / 10)) {
      const document = asciiJson({ text, nested: [{ [text]: text }] }, 2)
      expect(document).toMatch(/^[\n\x20-\x7e]*$/)
      expect(JSON.parse(document)).toEqual({ text, nested: [{ [text]: text }] })
    }
  })

  test('in the records that peers sign is refused where it is more than one visible line', async () => {
    const [entry] = await siteEntries(['eu'])
    if (entry === undefined) throw new Error('no site')
    const note = {
      ceremony: 'ab'.repeat(32) as never,
      identity: entry.identity,
      counter: 1,
      at: 0,
      approvals: [],
      votes: [],
      certificates: [],
      evidence: [],
    }
    let refused = 0
    let taken = 0
    for (const text of texts(3000)) {
      const tries: (() => string)[] = [
        () => noteCodec.decode(noteCodec.encode({ ...note, phase: text, abort: null })).phase,
        () => noteCodec.decode(noteCodec.encode({ ...note, phase: 'running', abort: text })).abort ?? '',
        () =>
          (relayMessageCodec.decode(relayMessageCodec.encode({ what: 'refused', reason: text })) as { reason: string })
            .reason,
        () => cardCodec.decode(cardCodec.encode({ ...entry, jurisdiction: text })).jurisdiction,
        () => cardCodec.decode(cardCodec.encode({ ...entry, stores: [text] })).stores[0] ?? '',
      ]
      for (const attempt of tries) {
        try {
          const got = attempt()
          taken += 1
          if (!SAFE.test(printable(got)) || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(got))
            throw new Error(JSON.stringify(got))
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error
          refused += 1
          expect(printable(error.message)).toBe(error.message)
        }
      }
    }
    report(`texts in signed records: ${refused} refused, ${taken} taken, all of these one visible line`)
    expect(refused).toBeGreaterThan(1000)
  })

  test('never stands in the error of a parser: no key, no value, no piece of the bytes', async () => {
    const marks = ['EVILMARK', '\u001b[31mEVILMARK', '\u202eEVILMARK', 'EVILMARK'.repeat(40)]
    const definition = JSON.parse(Buffer.from(definitionCodec.encode(await keygenDefinition())).toString())
    const record = jsonCodec('x/v1', definitionCodec as never, 65_536)
    expect(record.type).toBe('x/v1')
    const inputs: [string, () => unknown][] = []
    const add = (name: string, run: () => unknown): void => void inputs.push([name, run])
    for (const mark of marks) {
      const json = (value: unknown): Uint8Array => {
        try {
          return toCanonicalJson(value)
        } catch {
          return utf8(JSON.stringify(value))
        }
      }
      add('unknown key', () => definitionCodec.decode(json({ ...definition, [mark]: 1 })))
      add('unknown key within', () =>
        definitionCodec.decode(json({ ...definition, window: { ...definition.window, [mark]: 1 } })),
      )
      add('value', () => definitionCodec.decode(json({ ...definition, protocol: mark })))
      add('type', () => definitionCodec.decode(json({ ...definition, type: mark })))
      add('kind', () => definitionCodec.decode(json({ ...definition, kind: mark })))
      add('form', () => definitionCodec.decode(json({ ...definition, kind: 'sign', message: { form: mark } })))
      add('not JSON', () => definitionCodec.decode(utf8(mark.toWellFormed())))
      add('cut JSON', () => definitionCodec.decode(utf8(`{"a":"${mark}`)))
      add('short JSON', () => definitionCodec.decode(utf8(`{"${mark}":}`)))
      add('twice', () => fromCanonical(utf8(`{"${mark}":1,"${mark}":1}`)))
      add('CBOR key', () =>
        peerMessageCodec.decode(toCbor(['talk/v2', { is: 'remember', note: new Uint8Array(), [mark]: 1 }])),
      )
      add('CBOR value', () => peerMessageCodec.decode(toCbor(['talk/v2', { is: mark }])))
      add('CBOR type', () => peerMessageCodec.decode(toCbor([mark, {}])))
      add('CBOR text', () => cborCodec('x/v1', definitionCodec as never, 4096).decode(utf8(mark)))
      for (const text of [
        `type: definition/v1\n${mark}: 1\n`,
        `type: ${mark}\n`,
        `${mark}`,
        `a: *${mark}\n`,
        `a: !${mark} x\n`,
        `%${mark} 1\n`,
        `a: {${mark}: ]}\n`,
        `type: definition/v1\nkind: ${mark}\n`,
      ])
        add('YAML', () => readDefinition(utf8(text.toWellFormed())))
    }
    let refused = 0
    for (const [name, run] of inputs) {
      const error = await Promise.resolve()
        .then(run)
        .then(() => undefined)
        .catch((thrown: unknown) => thrown)
      if (!(error instanceof DecodeError) && !(error instanceof QuorateError))
        throw error ?? new Error(`${name} was taken`)
      refused += 1
      // A misspelt key that is one plain word says where to look.
      const shown = error.message.replace(/(?:at |^)(?:\w+\.)?EVILMARK(?=[:,])/, '')
      expect([name, error.message, shown.includes('EVIL')]).toEqual([name, error.message, false])
      expect(printable(error.message)).toBe(error.message)
    }
    report(`${refused} refused inputs, none repeated in its error`)
  })

  test('on screens: status, progress, results and errors', async () => {
    const definition = await keygenDefinition()
    const authority = definitionAuthority(definition)
    for (const text of texts(2000)) {
      const identity = definition.sites[1]?.identity as never
      const note = {
        ceremony: authority.hash,
        identity,
        counter: 1,
        at: 0,
        phase: text,
        approvals: [],
        votes: [],
        certificates: [],
        evidence: [],
        abort: text,
      }
      const status = describeStatus({
        authority,
        self: definition.sites[0]?.identity as never,
        log: { replay: () => [][Symbol.iterator](), body: () => undefined },
        approved: new Set(),
        notes: new Map([[identity, note]]),
        now: 5,
        bundle: text,
        running: 'no',
        lastJoin: { at: 0, fault: { code: text, message: text, hint: text }, open: [text] },
        forgetful: false,
        unreachable: [{ url: text, why: text }],
      })
      const screens = [
        forStdout(statusView(status)),
        forStdout([progressLine({ phase: 'attempt-failed', number: 1, of: 2, reason: text } as never)]),
        forStdout([progressLine({ phase: 'left', site: text, reason: text })]),
        forStdout(
          joinView({
            ceremony: authority.hash,
            kind: 'keygen',
            topic: 'keygen',
            name: text,
            site: text as never,
            state: 'closed',
            key: null,
            signature: null,
            fences: null,
            signers: [text as never],
            bundle: text,
            open: [text],
            left: { us: text },
          }),
        ),
        faultDocument(text, new QuorateError('E_RELAY', text, text, { reason: text }), [text]),
      ]
      for (const screen of screens) if (!SAFE.test(screen)) throw new Error(JSON.stringify([text, screen]))
      // One thing stays one line.
      expect(screens[1]?.split('\n')).toHaveLength(2)
    }
  })
})

const fromCanonical = (bytes: Uint8Array): unknown => {
  try {
    return fromCanonicalJson(bytes)
  } catch (error) {
    if (error instanceof RangeError) throw new DecodeError(error.message)
    throw new DecodeError('not JSON')
  }
}
