import { expect, test } from 'vitest'
import { equal, fromUtf8, utf8 } from '../../src/lib/bytes.ts'
import { definitionCodec } from '../../src/records/definition.ts'
import { definitionYaml, readDefinition } from '../../src/records/definition-yaml.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { type Dice, mutateBytes, mutateText, NASTY } from './mutate.ts'
import { fuzz, SOME_ACCEPTED } from './run.ts'

test('definition, as YAML', async () => {
  const sites = (await siteEntries()).slice(0, 2)
  const texts = [await keygenDefinition({ sites }), await signDefinition({ sites })].map((definition) =>
    // Without the comments, which would only be in the way.
    fromUtf8(definitionYaml(definition))
      .replace(/^ *#.*\n/gm, '')
      .replace(/\n{2,}/g, '\n'),
  )
  let read = 0
  const lines = texts.map((text) => text.split('\n'))
  const tokens = [
    '&a ',
    '*a',
    '!!str ',
    '!x ',
    '? ',
    '- ',
    '<<: *a',
    '%YAML 1.1',
    '---',
    '...',
    '{',
    '}',
    '[',
    ']',
    ': ',
    '#',
    '|',
    '>',
    '"',
    "'",
    '0x10',
    '1_000',
    '1.5',
    '~',
    'yes',
    '\t',
    '  ',
    '@',
    '`',
    ...NASTY,
  ]
  const edit = (d: Dice): string => {
    const own = [...d.pick(lines)]
    for (let n = d.chance(3) ? 2 : 1; n > 0; n--) {
      const at = d.below(own.length)
      const line = own[at] ?? ''
      const place = d.below(line.length + 1)
      switch (d.below(9)) {
        case 0:
          own.splice(at, 1)
          break
        case 1:
          own.splice(at, 0, line)
          break
        case 2:
          own.push(...own.splice(at, 1))
          break
        case 3:
          own[at] = `${' '.repeat(d.below(5))}${line.trimStart()}`
          break
        case 4:
          own[at] = `${line.slice(0, place)}${d.pick(tokens)}${line.slice(place)}`
          break
        case 5:
          own[at] = line.replace(/: .*/, `: ${mutateText(d, line.split(': ')[1] ?? '')}`)
          break
        case 6:
          own[at] = line.replace(/(: |- )(.*)/, (_, lead: string, value: string) => `${lead}${JSON.stringify(value)}`)
          break
        case 7:
          own[at] = `${line}  # ${mutateText(d, 'why')}`
          break
        default:
          own[at] = mutateText(d, line)
      }
    }
    return own.join(d.chance(20) ? '\r\n' : '\n')
  }
  const { accepted } = await fuzz({
    name: 'definition/v1 (YAML)',
    limit: 262_144,
    count: 0.25,
    mostMs: 4000,
    make: (d) => (d.chance(10) ? mutateBytes(d, utf8(d.pick(texts))) : new Uint8Array(Buffer.from(edit(d)))),
    read: async (bytes) => {
      const definition = await readDefinition(bytes)
      const canonical = definitionCodec.encode(definition)
      if (!equal(definitionCodec.encode(definitionCodec.decode(canonical)), canonical))
        throw new Error('encoded as another definition')
      if (read++ % 8 !== 0) return bytes
      const again = await readDefinition(definitionYaml(definition))
      if (!equal(definitionCodec.encode(again), canonical)) throw new Error('written as another definition')
      return bytes
    },
  })
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
})
