import { describe, expect, test, vi } from 'vitest'
import { fileMessage } from '../../src/ceremony/definition/message.ts'
import { confirmDefinition } from '../../src/cli/approval.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import type { SiteEntry } from '../../src/records/definition-fields.ts'
import type { KeygenDefinition } from '../../src/records/kinds/keygen.ts'
import { shortId } from '../../src/records/short-id.ts'
import { describeDefinition } from '../../src/site/planning.ts'
import { NOTHING_SEEN, type Seen } from '../../src/site/seen.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'

/** Words are hardened so that guessing costs much; each definition here has its own. */
vi.mock('../../src/lib/scrypt.ts', async (load) => (await import('../support/cheap-scrypt.ts')).cheapScrypt(load))
const answers = vi.hoisted(() => ({ typed: [] as string[], asked: 0, terminal: true }))
vi.mock('../../src/cli/ask.ts', () => ({
  canAsk: (noInput: boolean) => answers.terminal && !noInput,
  askText: async () => answers.typed[Math.min(answers.asked++, answers.typed.length - 1)] ?? '',
}))

const answer = { confirm: undefined, noInput: false, quiet: false, file: 'treasury.yaml' }
const screen: string[] = []
vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
  screen.push(String(text))
  return true
})

const sites = siteEntries()

/** What an approver sees of a definition, with the columns folded. */
const seen = async (changes: Partial<KeygenDefinition>): Promise<string[]> => {
  answers.typed = ['']
  screen.length = 0
  const changed = await describeDefinition(await keygenDefinition({ sites: await sites, ...changes }), Date.now())
  await confirmDefinition(changed, NOTHING_SEEN, 'none', { ...answer, file: 'x' }).catch(() => undefined)
  return screen.map((line) => line.trimEnd().replace(/ {2,}/g, ' | '))
}

const shown = await describeDefinition(await keygenDefinition(), Date.now())
/** Each of `typed` is one answer; the last is given for ever. */
const asked = (...typed: string[]) => {
  answers.typed = typed
  answers.asked = 0
  screen.length = 0
  return confirmDefinition(shown, NOTHING_SEEN, 'none', answer)
}
const { words } = shown
/** The words with one of them another. */
const butFor = (place: number): string =>
  words.map((word, n) => (n + 1 === place ? (word === 'zoo' ? 'abandon' : 'zoo') : word)).join(' ')

describe('words', () => {
  test('all eight let it pass, however they are spaced, and four letters of each are enough', async () => {
    await asked(words.join(' '))
    await asked(`  ${words.join(', ').toUpperCase()} `)
    await asked(words.map((word) => word.slice(0, 4)).join(' '))
    expect(answers.asked).toBe(1)
  })

  test('the screen shows none of them', async () => {
    await asked(words.join(' '))
    const text = screen.join('')
    expect(text).toContain('quorate keygen plan --definition treasury.yaml')
    expect(text).toContain(shortId(shown.ceremony))
    expect(words.filter((word) => new RegExp(`\\b${word}\\b`).test(text))).toEqual([])
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'word %i wrong is named, and nothing is signed after three tries',
    async (place) => {
      await expect(asked(butFor(place))).rejects.toMatchObject({
        code: 'E_WORDS',
        exit: 1,
        message: `word ${place} is not that of this definition`,
      })
      expect(answers.asked).toBe(3)
      expect(screen.filter((line) => line.startsWith('wrong'))).toHaveLength(2)
    },
  )

  test('a slip is mended at the second or the third try, not at a fourth', async () => {
    await asked(butFor(6), words.join(' '))
    await asked(butFor(6), '', words.join(' '))
    await expect(asked(butFor(6), '', butFor(1), words.join(' '))).rejects.toMatchObject({ code: 'E_WORDS' })
  })

  test.each([
    '',
    'one two three',
    words.slice(4).join(' '),
    words.slice(0, 7).join(' '),
    [...words, 'zoo'].join(' '),
    words.map((word) => word.slice(0, 3)).join(' '),
    words.map((word) => `${word}x`).join(' '),
  ])('%j are not the eight words', async (typed) => {
    await expect(asked(typed)).rejects.toMatchObject({ code: 'E_WORDS' })
  })
})

describe('the screen', () => {
  const changed = async (changes: Partial<SiteEntry>) => {
    const [eu, us, ap] = (await sites) as [SiteEntry, SiteEntry, SiteEntry]
    return seen({ sites: [eu, us, { ...ap, ...changes }] })
  }
  const about = (lines: readonly string[], label: string) => lines.filter((line) => line.startsWith(`${label} | `))

  test('says where every site keeps its shard', async () => {
    expect(about(await seen({}), 'store')).toEqual(['store | home | every site'])
    expect(about(await changed({ stores: ['home', `s3://${'b'.repeat(60)}/x`] }), 'store')).toEqual([
      'store | home | every site',
      `store | s3://${'b'.repeat(60)}/x | ap`,
    ])
    expect(about(await changed({ stores: ['elsewhere', 'elsewhere', 'elsewhere'] }), 'store')).toEqual([
      'store | home | eu, us',
      'store | elsewhere | ap',
    ])
  })

  test('says which sites state a measurement, and all of it', async () => {
    expect(about(await seen({}), 'measured')).toEqual(['measured | no measurement stated | every site'])
    const measurement = '0123456789abcdef'.repeat(6)
    expect(about(await changed({ measurement }), 'measured')).toEqual([
      'measured | no measurement stated | eu, us',
      `measured | ${measurement} | ap`,
    ])
  })

  test.each([
    [`wss://relay.example:4443/${'p'.repeat(60)}/end`, /^wss:\/\/relay\.example:4443\/…p+\/end$/],
    [`wss://relay.example.${'a'.repeat(80)}.evil.example/path`, /^wss:\/\/relay\.example\.a{80}\.evil\.example\/path$/],
    [`wss://${'h'.repeat(70)}.example`, /^wss:\/\/h{70}\.example$/],
    ['wss://relay.example/short', /^wss:\/\/relay\.example\/short$/],
  ])('shows the whole host of %s', async (url, whole) => {
    const [line] = about(await seen({ relays: [{ url, identity: null }] }), 'relay')
    expect(line?.split(' | ')[1]).toMatch(whole)
  })

  test('lets no text pad itself into lines of its own', async () => {
    const lines = await changed({ stores: [`home${' '.repeat(70)}control     3 separate administrators`] })
    expect(about(lines, 'store')[1]).toMatch(
      /^store \| home(\\u\{20\}){70}control(\\u\{20\}){5}3 separate administrators \| ap$/,
    )
  })
})

describe('the content', () => {
  const asksFor = async (content: Uint8Array, confirm?: string, quiet = false): Promise<string[]> => {
    const definition = await signDefinition({ sites: await sites, message: fileMessage('payout.txt', content) })
    const described = await describeDefinition(definition, Date.now())
    const known: Seen = {
      ...NOTHING_SEEN,
      content,
      key: { name: 'treasury', protocol: 'frost-ed25519', publicKey: '58'.repeat(32) },
    }
    answers.typed = ['']
    screen.length = 0
    const given = { ...answer, quiet, confirm: confirm === 'own' ? described.ceremony : undefined }
    await confirmDefinition(described, known, 'none', given).catch(() => undefined)
    return screen.map((line) => line.trimEnd())
  }

  test('stands right above the question, with the signers, its name and the key', async () => {
    const lines = await asksFor(utf8('Pay 250 to the supplier.\n'))
    const before = lines.slice(
      0,
      lines.findIndex((line) => line.startsWith('wrong')),
    )
    expect(before.slice(-6).map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
      expect.stringMatching(/^signers \| /),
      'message | payout.txt, 25 bytes, text',
      expect.stringMatching(/^sha256 \| [0-9a-f]{64}$/),
      ' | │ Pay 250 to the supplier.',
      expect.stringMatching(/^sign \| .+, with the key treasury, frost-ed25519 5858/),
      expect.stringMatching(/^ceremony \| /),
    ])
  })

  test('is said to the log of a pipeline too, unless it is to be quiet', async () => {
    expect((await asksFor(utf8('Pay'), 'own')).filter((line) => line.includes('│ Pay'))).toHaveLength(1)
    expect(await asksFor(utf8('Pay'), 'own', true)).toEqual([])
  })

  test('no line of it can look like a line of ours', async () => {
    const fakes = [
      'sign        another, with the key other',
      '\rsign    x',
      '\u001b[2Ksign',
      `${' '.repeat(66)}sign  x`,
      '\u202esign',
    ]
    for (const fake of fakes) {
      const lines = await asksFor(utf8(`Pay\n${fake}\n`))
      const from = lines.findIndex((line) => line.startsWith('sha256'))
      const to = lines.findIndex((line) => line.startsWith('ceremony    ') && !line.includes('sign:'))
      const between = lines.slice(from + 1, to - 1)
      expect(between.length).toBeGreaterThan(0)
      for (const line of between) expect(line).toMatch(/^ {12}│(?: [\x20-\x7e]*)?$/)
      for (const line of between) expect(line.length).toBeLessThan(80)
    }
  })
})

describe('--confirm', () => {
  const confirm = (id: string) =>
    confirmDefinition(shown, NOTHING_SEEN, 'none', { ...answer, confirm: id, noInput: true })

  test('takes the full id and nothing less', async () => {
    await confirm(shown.ceremony)
    await expect(confirm(shown.ceremony.slice(0, 16))).rejects.toMatchObject({ code: 'E_WORDS' })
    await expect(confirm('0'.repeat(64))).rejects.toMatchObject({ code: 'E_WORDS' })
    await expect(confirm('')).rejects.toMatchObject({ code: 'E_WORDS' })
  })

  test('without a terminal the error names it', async () => {
    answers.terminal = false
    await expect(confirmDefinition(shown, NOTHING_SEEN, 'none', answer)).rejects.toMatchObject({
      code: 'E_NO_TERMINAL',
      hint: expect.stringContaining('--confirm'),
    })
  })
})
