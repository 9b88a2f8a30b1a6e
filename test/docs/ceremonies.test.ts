import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lint } from '../../src/ceremony/definition/lint.ts'
import { fromUtf8 } from '../../src/lib/bytes.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { readDefinition } from '../../src/records/definition-yaml.ts'
import { root } from '../support/cli.ts'

const file = (path: string): Uint8Array => new Uint8Array(readFileSync(join(root, 'ceremonies', path)))

describe('definitions to copy', () => {
  it.each([
    ['keygen', 'keygen'],
    ['sign', 'sign'],
    ['rotate', 'refresh'],
  ])('%s: is read, and lint has nothing to say of it', async (folder, kind) => {
    const definition = await readDefinition(file(`${folder}/definition.yaml`))
    expect(definition.kind).toBe(kind)
    expect(lint(definition)).toEqual([])
    expect(lint(definition, Date.parse(definition.window.opens))).toEqual([])
  })

  it.each([
    ['keygen', ['kind', 'name', 'base', 'protocol', 'threshold', 'sites', 'approvers', 'sealing', 'relays', 'nonce']],
    ['sign', ['kind', 'name', 'key', 'base', 'message', 'signers', 'window', 'attempts', 'deadlines', 'nonce']],
    ['rotate', ['kind', 'name', 'key', 'base', 'epoch', 'window', 'attempts', 'deadlines', 'nonce']],
  ])('%s: says something of every decision', (kind, fields) => {
    const lines = fromUtf8(file(`${kind}/definition.yaml`)).split('\n')
    const above = (field: string) => lines[lines.findIndex((line) => line.startsWith(`${field}:`)) - 1]
    expect(fields.filter((field) => above(field)?.startsWith('#') !== true)).toEqual([])
  })

  it('sign: names the message beside it', async () => {
    const definition = await readDefinition(file('sign/definition.yaml'))
    const message = file('sign/message.txt')
    expect(definition).toMatchObject({
      message: { form: 'file', name: 'message.txt', size: message.length, sha256: hashOf(message) },
    })
  })

  it('have the same sites, so that one is the key of the others', async () => {
    const [keygen, ...others] = await Promise.all(
      ['keygen', 'sign', 'rotate'].map((kind) => readDefinition(file(`${kind}/definition.yaml`))),
    )
    for (const one of others) {
      expect(one.sites).toEqual(keygen?.sites)
      expect(one.threshold).toBe(keygen?.threshold)
    }
    expect(new Set([keygen, ...others].map((one) => one?.nonce)).size).toBe(3)
  })
})
