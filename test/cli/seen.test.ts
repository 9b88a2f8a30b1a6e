import { expect, test } from 'vitest'
import { fileMessage } from '../../src/ceremony/definition/message.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { NOTHING_SEEN, seenFrom } from '../../src/site/seen.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'

const home = '/nowhere'

test('a content that the definition does not name is shown to nobody', async () => {
  const definition = await signDefinition({ message: fileMessage('payout.txt', utf8('Pay 5')) })
  for (const other of ['Pay 50', 'pay 5', ''])
    await expect(seenFrom(home, definition, utf8(other))).rejects.toMatchObject({ code: 'E_REFUSED' })
})

test('a definition that uses no key, and signs nothing, has nothing to show', async () => {
  expect(await seenFrom(home, await keygenDefinition(), undefined)).toEqual(NOTHING_SEEN)
})
