import fc from 'fast-check'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { type Definition, definitionCodec } from '../../src/records/definition.ts'
import { definitionYaml, readDefinition } from '../../src/records/definition-yaml.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'

let keygen: Definition
let text: string
beforeAll(async () => {
  keygen = await keygenDefinition()
  text = fromUtf8(definitionYaml(keygen))
})
const read = (file: string) => readDefinition(utf8(file))
const swap = (from: string | RegExp, to: string): string => {
  const changed = text.replace(from, to)
  if (changed === text) throw new Error(`nothing to replace: ${from}`)
  return changed
}

describe('definition as YAML', () => {
  it('is written with comments and read back as the same value', async () => {
    for (const definition of [keygen, await signDefinition()]) {
      const file = definitionYaml(definition)
      expect(await readDefinition(file)).toEqual(definition)
      expect(definitionYaml(await readDefinition(file))).toEqual(file)
      expect(fromUtf8(file)).toMatch(/^# All that people decide/)
    }
    expect(text).toMatchSnapshot()
  })

  it('is read as canonical JSON too, and as no other JSON', async () => {
    const json = definitionCodec.encode(keygen)
    expect(await readDefinition(json)).toEqual(keygen)
    await expect(read(`${fromUtf8(json)}\n`)).rejects.toMatchObject({ code: 'E_DEFINITION' })
    await expect(read(JSON.stringify(JSON.parse(fromUtf8(json)), null, 2))).rejects.toMatchObject({
      code: 'E_DEFINITION',
    })
  })

  it('takes other comments, line ends and quotes for the same value', async () => {
    expect(await read(text.replaceAll(/^ *#.*\n/gm, ''))).toEqual(keygen)
    expect(await read(text.replaceAll('\n', '\r\n'))).toEqual(keygen)
    expect(await read(`---\n${swap('kind: keygen', "'kind': 'keygen' # here")}`)).toEqual(keygen)
  })

  it.each<[string, () => string, RegExp]>([
    [
      'an unknown key',
      () => swap('threshold: 2', 'threshold: 2\nthreshhold: 2'),
      /^threshhold, line \d+: unknown key$/,
    ],
    ['a missing key', () => swap(/^nonce: .*$/m, ''), /^nonce: missing$/],
    ['a key twice', () => swap('threshold: 2', 'threshold: 2\nthreshold: 3'), /^threshold, line \d+: .*twice/],
    [
      'a key twice within',
      () => swap('  - name: us\n', '  - name: us\n    name: eu\n'),
      /^sites\[1\]\.name, line \d+: .*twice/,
    ],
    [
      'a wrong identity',
      () => swap(/identity: qsite1\w+/, 'identity: qsite1oops'),
      /^sites\[0\]\.identity, line \d+: expected an identity/,
    ],
    ['an anchor', () => swap('kind: keygen', 'kind: &a keygen'), /^kind, line \d+: an anchor/],
    ['an alias', () => swap('name: treasury', 'name: *a'), /alias|UNRESOLVED|line \d+/],
    [
      'an anchor and alias',
      () => swap('kind: keygen', 'kind: &a keygen').replace('name: treasury', 'name: *a'),
      /anchor/,
    ],
    ['a tag', () => swap('threshold: 2', 'threshold: !!int 2'), /^threshold, line \d+: a tag|line \d+.*TAG/],
    ['a local tag', () => swap('threshold: 2', 'threshold: !mine 2'), /line \d+/],
    ['a float', () => swap('threshold: 2', 'threshold: 2.0'), /^threshold, line \d+: expected a whole number/],
    ['an exponent', () => swap('threshold: 2', 'threshold: 2e0'), /^threshold, line \d+: expected a whole number/],
    ['hexadecimal', () => swap('threshold: 2', 'threshold: 0x2'), /^threshold, line \d+: expected a whole number/],
    ['octal', () => swap('threshold: 2', 'threshold: 0o2'), /^threshold, line \d+: expected a whole number/],
    ['a leading zero', () => swap('threshold: 2', 'threshold: 02'), /^threshold, line \d+: expected a whole number/],
    ['a plus', () => swap('threshold: 2', 'threshold: +2'), /^threshold, line \d+: expected a whole number/],
    ['infinity', () => swap('threshold: 2', 'threshold: .inf'), /^threshold, line \d+: expected a whole number/],
    ['an unsafe number', () => swap('threshold: 2', 'threshold: 9007199254740993'), /^threshold, line \d+: expected/],
    [
      'text for a number',
      () => swap('threshold: 2', 'threshold: "2"'),
      /^threshold, line \d+: expected a whole number/,
    ],
    ['null by silence', () => swap('base: null', 'base:'), /^base, line \d+: .*write null/],
    ['null by tilde', () => swap('base: null', 'base: ~'), /^base, line \d+: .*write null/],
    ['another form of null', () => swap('base: null', 'base: NULL'), /^base, line \d+: .*write null/],
    [
      'text that is not NFC',
      () => swap('jurisdiction: EU', 'jurisdiction: "Cafe\u0301"'),
      /^line \d+: text is not in Unicode/,
    ],
    [
      'escaped text that is not NFC',
      () => swap('jurisdiction: EU', 'jurisdiction: "Cafe\\u0301"'),
      /^sites\[0\]\.jurisdiction, line \d+: expected one line/,
    ],
    [
      'an escaped control',
      () => swap('jurisdiction: EU', 'jurisdiction: "E\\nU"'),
      /^sites\[0\]\.jurisdiction, line \d+: expected one line/,
    ],
    ['a control', () => swap('jurisdiction: EU', 'jurisdiction: "E\u0007U"'), /^line \d+: a control/],
    ['a reordering comment', () => swap('kind: keygen', 'kind: keygen # \u202e'), /^line \d+: a control or invisible/],
    ['two byte order marks', () => `\ufeff\ufeff${text}`, /^line 1: a control or invisible/],
    ['two documents', () => `${text}---\n${text}`, /expected one YAML document/],
    ['no document', () => '', /expected one YAML document/],
    ['only comments', () => '# nothing\n', /expected/],
    ['a list', () => '- a\n', /^line 1: expected keys and values/],
    ['a directive', () => `%YAML 1.1\n---\n${text}`, /directive/],
    ['a tag directive', () => `%TAG ! tag:x,2000:\n---\n${text}`, /directive|line/],
    ['another type', () => swap('definition/v1', 'definition/v2'), /^type, line \d+: expected definition\/v1/],
    ['no type', () => swap('type: definition/v1\n', ''), /^type: expected definition\/v1/],
    ['another kind', () => swap('kind: keygen', 'kind: keygun'), /^kind, line \d+: expected/],
    ['a kind of every object', () => swap('kind: keygen', 'kind: constructor'), /^kind, line \d+: expected/],
    ['a prototype', () => swap('threshold: 2', 'threshold: 2\n__proto__: 2'), /^__proto__, line \d+: unknown key/],
    ['a merge key', () => swap('threshold: 2', 'threshold: 2\n<<: {a: 1}'), /^\?, line \d+: unknown key/],
    ['a key that is a number', () => swap('threshold: 2', 'threshold: 2\n1: 2'), /a key that is not plain text/],
    ['a key that is a list', () => swap('threshold: 2', 'threshold: 2\n? [a]\n: 2'), /a key that is not plain text/],
    ['a broken line', () => swap('threshold: 2', 'threshold: 2\n  - x: [1'), /not well-formed YAML|expected/],
    ['depth', () => `type: ${'['.repeat(20)}${']'.repeat(20)}`, /nested too deeply/],
    ['great depth', () => `type: ${'['.repeat(100_000)}`, /not YAML|nested|well-formed/],
    [
      'a time with an offset',
      () => swap(/opens: .*/, 'opens: 2026-12-01T09:00:00+01:00'),
      /^window\.opens, line \d+: expected a UTC time/,
    ],
    [
      'a wss with a query',
      () => swap(/url: .*/, 'url: "wss://relay.example/?x=1"'),
      /^relays\[0\]\.url, line \d+: expected/,
    ],
  ])('refuses %s', async (_, file, message) => {
    const error: unknown = await read(file()).then(
      () => 'accepted',
      (one: unknown) => one,
    )
    expect(error).toBeInstanceOf(QuorateError)
    expect(error).toMatchObject({ code: 'E_DEFINITION', exit: 2, message: expect.stringMatching(message) })
  })

  it.each<[string, string]>([
    ['lists in one line', '- '.repeat(130_000)],
    ['keys in one line', '? '.repeat(130_000)],
    ['brackets in one line', '['.repeat(260_000)],
    ['brackets in many lines', '[\n'.repeat(130_000)],
    ['brackets behind quotes', '"]" : ['.repeat(37_000)],
    ['maps by indentation', Array.from({ length: 700 }, (_, n) => `${' '.repeat(n)}a:`).join('\n')],
    [
      'maps and lists by indentation',
      Array.from({ length: 500 }, (_, n) => `${' '.repeat(n)}a:\n${' '.repeat(n)}-`).join('\n'),
    ],
    [
      'all that is let through',
      `${Array.from({ length: 32 }, (_, n) => `${' '.repeat(n)}a:\n${' '.repeat(n)}- ${'- '.repeat(n === 31 ? 30 : 0)}`).join('\n')}${'['.repeat(256)}`,
    ],
  ])('refuses deep %s and does not die of it', async (_, file) => {
    await expect(read(file)).rejects.toMatchObject({ code: 'E_DEFINITION' })
  })

  it('never repeats what was found in a refused file', async () => {
    const error = await read(swap('kind: keygen', 'kind: \u001b[31mred'.replace('\u001b', ''))).catch((e: unknown) => e)
    expect((error as Error).message).not.toContain('red')
    const key = await read(swap('threshold: 2', 'threshold: 2\n"bad\\u001bkey": 2')).catch((e: unknown) => e)
    expect((key as Error).message).not.toContain('bad')
  })

  it('refuses what is not UTF-8 or is too large', async () => {
    await expect(readDefinition(new Uint8Array([0xff, 0xfe]))).rejects.toMatchObject({ code: 'E_DEFINITION' })
    await expect(read(`${text}#${' '.repeat(262_144)}`)).rejects.toMatchObject({ message: /at most 262144 bytes/ })
  })

  it('looks at each of many entries once', async () => {
    const many = swap('approvers: []', `approvers: [${'a,'.repeat(80_000)}]`)
    const noted = vi.spyOn(Map.prototype, 'set')
    const looks = () => noted.mock.calls.filter(([path]) => /^approvers\[\d+\]$/.test(String(path))).length
    try {
      await expect(read(many)).rejects.toMatchObject({ code: 'E_DEFINITION' })
      expect(looks()).toBe(80_000)
    } finally {
      noted.mockRestore()
    }
  })

  it('compares no key with all that stand before it', async () => {
    const keys = Array.from({ length: 5000 }, (_, n) => `k${n}: 1\n`)
    const searched = vi.spyOn(Array.prototype, 'some')
    try {
      await expect(read(`${text}${keys.join('')}`)).rejects.toMatchObject({ code: 'E_DEFINITION' })
      expect(searched.mock.calls.length).toBeLessThan(keys.length / 10)
    } finally {
      searched.mockRestore()
    }
  })

  it('is refused or read whole, whatever the file, and reading is stable', async () => {
    const words = [
      '- ',
      ': ',
      '? ',
      '&a ',
      '*a ',
      '!!',
      '"',
      "'",
      '|\n',
      '>\n',
      '{',
      '}',
      '[',
      ']',
      '#',
      '\n',
      '  ',
      '%',
      '---\n',
      '\t',
      '0',
      '~',
      '.5',
    ]
    const edits = fc.array(
      fc.tuple(fc.nat(), fc.nat(12), fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 }))),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    const near = edits.map((list) =>
      list.reduce((all, [at, cut, put]) => {
        const place = at % (all.length + 1)
        return all.slice(0, place) + put + all.slice(place + cut)
      }, text),
    )
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 5, arbitrary: near }, fc.string(), fc.json()), async (file) => {
        try {
          const definition = await read(file)
          expect(await readDefinition(definitionYaml(definition))).toEqual(definition)
          expect(definitionCodec.decode(definitionCodec.encode(definition))).toEqual(definition)
        } catch (error) {
          expect(error).toMatchObject({ code: 'E_DEFINITION' })
        }
      }),
      { numRuns: 300 },
    )
  })

  it('reads what an editor of Windows saves: a byte order mark and its line ends', async () => {
    const definition = await readDefinition(utf8(text))
    expect(await readDefinition(utf8(`\ufeff${text.replaceAll('\n', '\r\n')}`))).toEqual(definition)
  })

  it('writes any text so that it reads back', async () => {
    const label = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/)
    const line = fc
      .oneof(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
        fc.constantFrom(
          'true',
          'null',
          '~',
          '1',
          '1e5',
          '0x1',
          '- a',
          'a: b',
          '# x',
          ' a ',
          'y',
          '*a',
          '&a',
          '"',
          "'",
          '2026-01-01',
          '{',
          '}',
          '[]',
          '|',
          '%',
        ),
      )
      .map((s) => s.normalize('NFC'))
      .filter((s) => s.length <= 64 && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u.test(s) && s.isWellFormed())
    await fc.assert(
      fc.asyncProperty(label, line, line, async (name, jurisdiction, account) => {
        const [site, ...rest] = keygen.sites
        if (site === undefined) throw new Error('no site')
        const changed = {
          ...keygen,
          name,
          sites: [{ ...site, jurisdiction, control: { ...site.control, account } }, ...rest],
        }
        expect(await readDefinition(definitionYaml(changed))).toEqual(changed)
      }),
      { numRuns: 200 },
    )
  })
})
