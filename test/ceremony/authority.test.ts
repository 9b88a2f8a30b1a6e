import { expect, it } from 'vitest'
import { definitionAuthority, wantedInWords } from '../../src/ceremony/definition/authority.ts'
import { identityOf } from '../../src/identity/identity.ts'
import type { Identity, KeyHex, SiteId } from '../../src/lib/brand.ts'
import type { Definition } from '../../src/records/definition.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'

const words = (definition: Definition, approved: readonly string[], gone: readonly string[] = []): string => {
  const authority = definitionAuthority(definition)
  const ids = (names: readonly string[]): Set<Identity> =>
    new Set(authority.roster.filter(({ name }) => names.includes(name)).map(({ identity }) => identity))
  const nameOf = (identity: Identity): string =>
    authority.roster.find((one) => one.identity === identity)?.name ?? 'carol'
  return wantedInWords(authority, ids(approved), nameOf, ids(gone))
}

it('names each who is wanted, and how many where any will do', async () => {
  const carol = identityOf('approver', 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a' as KeyHex)
  expect(words(await keygenDefinition(), ['us'])).toBe('eu, ap')
  const any = await signDefinition()
  expect(words(any, [])).toBe('2 of eu, us, ap')
  expect(words(any, ['us'])).toBe('1 of eu, ap')
  expect(words(any, ['us', 'ap'])).toBe('')
  expect(words(any, ['us'], ['ap'])).toBe('eu')
  expect(words(await signDefinition({ signers: ['eu', 'ap'] as SiteId[] }), ['eu'])).toBe('ap')
  expect(words(await signDefinition({ approvers: [carol] }), ['us'])).toBe('carol, 1 of eu, ap')
})
