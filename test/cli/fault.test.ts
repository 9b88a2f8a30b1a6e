import { Flags, Parser } from '@oclif/core'
import { describe, expect, test } from 'vitest'
import { nearest, toFault } from '../../src/cli/fault.ts'
import { wholeFlag } from '../../src/cli/flags.ts'
import { QuorateError } from '../../src/lib/errors.ts'

const SECRET = 'correct horse'
const flags = {
  name: Flags.string({ required: true }),
  kind: Flags.string({ options: ['one', 'two'] }),
  count: wholeFlag({ min: 1, max: 9 }),
  file: Flags.string({ exclusive: ['hex'] }),
  hex: Flags.string(),
  needs: Flags.string({ dependsOn: ['hex'] }),
  either: Flags.string({ exactlyOne: ['either', 'or'] }),
  or: Flags.string(),
}

const parsed = async (...argv: string[]): Promise<QuorateError> => {
  try {
    await Parser.parse(argv, { flags, args: {}, strict: true })
  } catch (error) {
    return toFault(error)
  }
  throw new Error('parsed')
}

describe('a command line that does not fit', () => {
  const cases: [string[], RegExp][] = [
    [[], /^missing --name$/],
    [['--name', 'x', '--or', 'x', '--nam', SECRET], /^there is no flag --nam$/],
    [['--name', 'x', '--or', 'x', `--secret=${SECRET}`], /^there is no flag --secret$/],
    [['--name', 'x', '--or', 'x', `-s${SECRET}`], /^there is no flag -s$/],
    [['--name', 'x', '--or', 'x', SECRET], /^a value stands where only flags are taken$/],
    [['--name', 'x', '--or', 'x', '--kind', SECRET], /^--kind takes one of one, two$/],
    [['--name', 'x', '--or', 'x', '--count', SECRET], /^--count: expected a whole number from 1 to 9$/],
    [['--name', 'x', '--or', 'x', '--count', '0'], /^--count: expected a whole number from 1 to 9$/],
    [['--name', 'x', '--or', 'x', '--name', SECRET], /^--name can only be specified once$/],
    [['--or', 'x', '--name'], /^--name expects a value$/],
    [
      ['--name', 'x', '--or', 'x', '--file', SECRET, '--hex', SECRET],
      /^--hex cannot also be provided when using --file$/,
    ],
    [['--name', 'x', '--or', 'x', '--needs', SECRET], /--hex.*--needs|--needs.*--hex/],
    [['--name', 'x', '--or', SECRET, '--either', SECRET], /--either/],
    [['--name', 'x'], /--either|--or/],
  ]
  test.each(cases)('%j', async (argv, message) => {
    const fault = await parsed(...argv)
    expect(fault.code).toBe('E_USAGE')
    expect(fault.exit).toBe(2)
    expect(fault.message).toMatch(message)
    expect(`${fault.message} ${fault.hint} ${JSON.stringify(fault.details)}`).not.toContain(SECRET)
    expect(fault.message).not.toContain('\n')
  })
})

describe('whatever is thrown', () => {
  const system = (code: string): Error => Object.assign(new Error('x'), { code, syscall: 'open', path: '/some/path' })
  const stop = (name: string): Error => Object.assign(new Error('x'), { name })
  const cases: [unknown, string][] = [
    [new QuorateError('E_QUORUM', 'too few', 'wait'), 'E_QUORUM'],
    [system('ENOENT'), 'E_FILE'],
    [system('ENOSPC'), 'E_DISK'],
    [system('EROFS'), 'E_DISK'],
    [system('EWHATEVER'), 'E_BUG'],
    [stop('ExitPromptError'), 'E_STOPPED'],
    [stop('AbortError'), 'E_STOPPED'],
    [new TypeError('secret in a message'), 'E_BUG'],
    ['a string', 'E_BUG'],
    [undefined, 'E_BUG'],
  ]
  test.each(cases)('%s ends as %s', (error, code) => {
    const fault = toFault(error)
    expect(fault.code).toBe(code)
    expect(fault.message).not.toContain('secret in a message')
  })
})

test('a near name is suggested, a far one is not', () => {
  expect(nearest('kegen join', ['keygen join', 'sign join'])).toBe('keygen join')
  expect(nearest('xy', ['keygen join', 'ab'])).toBeUndefined()
})
