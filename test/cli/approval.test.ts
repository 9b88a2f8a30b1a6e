import { describe, expect, test, vi } from 'vitest'
import { confirmDefinition } from '../../src/cli/approval.ts'
import { describeDefinition } from '../../src/site/planning.ts'
import { keygenDefinition } from '../support/definition.ts'

const answers = vi.hoisted(() => ({ typed: '', terminal: true }))
vi.mock('../../src/cli/ask.ts', () => ({
  canAsk: (noInput: boolean) => answers.terminal && !noInput,
  askText: async () => answers.typed,
}))

const screen: string[] = []
vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
  screen.push(String(text))
  return true
})

const shown = await describeDefinition(await keygenDefinition(), Date.now())
const asked = (typed: string) => {
  answers.typed = typed
  screen.length = 0
  return confirmDefinition(shown, 'none', { confirm: undefined, noInput: false, file: 'treasury.yaml' })
}
const last = shown.words.slice(4)

describe('words', () => {
  test('the last four let it pass, however they are spaced', async () => {
    await asked(last.join(' '))
    await asked(`  ${last.join(', ').toUpperCase()} `)
  })

  test('the screen shows the first four and none of the others', async () => {
    await asked(last.join(' '))
    const line = screen.find((text) => text.startsWith('fingerprint'))
    expect(line).toContain(`${shown.words.slice(0, 4).join(' ')} ______ ______ ______ ______`)
  })

  test('the wrong word is named', async () => {
    const wrong = [...last]
    wrong[2] = wrong[2] === 'zoo' ? 'abandon' : 'zoo'
    await expect(asked(wrong.join(' '))).rejects.toMatchObject({
      code: 'E_WORDS',
      message: 'word 7 is not that of this definition',
    })
  })

  test.each(['', 'one two three', [...shown.words].join(' ')])('%j is not four words', async (typed) => {
    await expect(asked(typed)).rejects.toMatchObject({ code: 'E_WORDS' })
  })
})

describe('--confirm', () => {
  const confirm = (id: string) => confirmDefinition(shown, 'none', { confirm: id, noInput: true, file: 'x' })

  test('takes the full id and nothing less', async () => {
    await confirm(shown.ceremony)
    await expect(confirm(shown.ceremony.slice(0, 16))).rejects.toMatchObject({ code: 'E_WORDS' })
    await expect(confirm('0'.repeat(64))).rejects.toMatchObject({ code: 'E_WORDS' })
    await expect(confirm('')).rejects.toMatchObject({ code: 'E_WORDS' })
  })

  test('without a terminal the error names it', async () => {
    answers.terminal = false
    await expect(
      confirmDefinition(shown, 'none', { confirm: undefined, noInput: false, file: 'x' }),
    ).rejects.toMatchObject({ code: 'E_NO_TERMINAL', hint: expect.stringContaining('--confirm') })
  })
})
