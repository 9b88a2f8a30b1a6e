import { describe, expect, it } from 'vitest'
import { auditKind } from '../../src/audit/kinds/index.ts'
import { ceremonyKind } from '../../src/ceremony/kinds/index.ts'
import { cliKind } from '../../src/cli/kinds/index.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { type Definition, recordKind } from '../../src/records/definition.ts'

const layers = [
  ['records', recordKind, 'E_DEFINITION', 'a definition of a %, which this version cannot read'],
  ['ceremony', ceremonyKind, 'E_DEFINITION', 'a definition of a %, which this version cannot run'],
  ['audit', auditKind, 'E_BUNDLE', 'a bundle of a %, which this version cannot judge'],
  ['cli', cliKind, 'E_DEFINITION', 'a definition of a %, which this version cannot show'],
] as const

describe.each(layers)('the kinds of %s', (_, row, code, words) => {
  it.each(['prove', 'toString', '__proto__'])('refuse %s by name, and say who does what next', (kind) => {
    const refused = (): unknown => row({ kind: kind as Definition['kind'] })
    expect(refused).toThrow(QuorateError)
    expect(refused).toThrow(words.replace('%', `${kind} ceremony`))
    expect(refused).toThrow(
      expect.objectContaining({ code, hint: expect.stringMatching(/the version that .*, or a newer one/) }),
    )
  })

  it('show no control bytes of a name', () => {
    expect(() => row({ kind: '\u001b[31m' as Definition['kind'] })).toThrow(/of a [\x21-\x7e]+ ceremony/)
  })
})
