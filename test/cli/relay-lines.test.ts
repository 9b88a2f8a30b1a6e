import { expect, test } from 'vitest'
import { relayEventLine } from '../../src/cli/render/relay.ts'

test('a relay says what became of its certificate', () => {
  expect(relayEventLine({ what: 'renewed' })).toEqual({ label: 'renewed', text: 'the TLS certificate' })
  const kept = relayEventLine({ what: 'not-renewed', reason: 'relay.key: no such file or folder' })
  expect(kept).toMatchObject({ label: 'not renewed', tone: 'warn' })
  expect(kept.text).toBe('relay.key: no such file or folder; the certificate before it stays in use')
})
