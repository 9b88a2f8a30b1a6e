import { beforeAll, describe, expect, it } from 'vitest'
import { identityOf } from '../../src/identity/identity.ts'
import type { Identity, KeyHex, SiteId } from '../../src/lib/brand.ts'
import { missingApprovals } from '../../src/records/approval-rule.ts'
import type { Definition } from '../../src/records/definition.ts'
import { keygenDefinition, signDefinition } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'

const approver = identityOf('approver', '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c' as KeyHex)
let ids: Record<string, Identity>
beforeAll(async () => {
  const sites = await Promise.all(['eu', 'us', 'ap'].map((name) => memoryHome(name)))
  ids = {
    eu: sites[0]?.home.identity,
    us: sites[1]?.home.identity,
    ap: sites[2]?.home.identity,
    cfo: approver,
  } as never
})

/** Whom the rule waits for when these have approved, by name. */
const waits = (definition: Definition, approved: readonly string[]): string[] => {
  const missing = missingApprovals(definition, new Set(approved.map((name) => ids[name] as Identity)))
  return Object.keys(ids).filter((name) => missing.includes(ids[name] as Identity))
}

describe('who must approve', () => {
  it('is every site of a keygen', async () => {
    const keygen = await keygenDefinition()
    expect(waits(keygen, [])).toEqual(['eu', 'us', 'ap'])
    expect(waits(keygen, ['eu', 'us'])).toEqual(['ap'])
    expect(waits(keygen, ['eu', 'us', 'ap'])).toEqual([])
  })

  it('is a quorum of the sites of a signature by any', async () => {
    const sign = await signDefinition()
    expect(waits(sign, ['us'])).toEqual(['eu', 'ap'])
    expect(waits(sign, ['us', 'ap'])).toEqual([])
  })

  it('is the named signers and nobody else', async () => {
    const sign = await signDefinition({ signers: ['eu', 'ap'] as SiteId[] })
    expect(waits(sign, ['eu', 'us'])).toEqual(['ap'])
    expect(waits(sign, ['eu', 'ap'])).toEqual([])
  })

  it('is every approver too', async () => {
    for (const definition of [
      await keygenDefinition({ approvers: [approver] }),
      await signDefinition({ approvers: [approver] }),
      await signDefinition({ approvers: [approver], signers: ['eu', 'us'] as SiteId[] }),
    ]) {
      expect(waits(definition, ['eu', 'us', 'ap'])).toEqual(['cfo'])
      expect(waits(definition, ['eu', 'us', 'ap', 'cfo'])).toEqual([])
    }
  })

  it('counts no stranger', async () => {
    const stranger = (await memoryHome('xx')).home.identity
    const sign = await signDefinition()
    expect(missingApprovals(sign, new Set([stranger, ids['eu'] as Identity]))).toHaveLength(2)
  })
})
