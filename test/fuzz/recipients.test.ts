import { expect, test } from 'vitest'
import type { Hash, Index, SiteId } from '../../src/lib/brand.ts'
import { fromBase64, fromUtf8, toBase64, utf8 } from '../../src/lib/bytes.ts'
import { recipientFault } from '../../src/recipients/fault.ts'
import { recipientIdentity } from '../../src/recipients/identity.ts'
import { sealTo } from '../../src/recipients/seal.ts'
import type { Recipient } from '../../src/records/kinds/reconstruct.ts'
import { releasedShareCodec } from '../../src/records/release.ts'
import { ageRecipient, certificateRecipient, identityFile } from '../support/recipients.ts'
import { mutateBytes, mutateText } from './mutate.ts'
import { fuzz, SOME_ACCEPTED } from './run.ts'
import { cborTarget } from './targets.ts'

/** Bytes that a liar sealed, keys that a planner was given, and files that a recipient gives: all of them come from outside. */

const given = releasedShareCodec.encode({
  ceremony: 'ab'.repeat(32) as Hash,
  attempt: 'cd'.repeat(32) as Hash,
  key: 'ef'.repeat(32) as Hash,
  base: '01'.repeat(32) as Hash,
  protocol: 'frost-ed25519',
  site: 'eu' as SiteId,
  index: 1 as Index,
  recipient: 'counsel',
  share: new Uint8Array(32).fill(7),
})

test('a share as it is given', async () => {
  expect((await fuzz(cborTarget(releasedShareCodec, [given]))).accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test.each<[string, Recipient, string]>([
  ['age', ageRecipient(), 'age.txt'],
  ['CMS for P-256', certificateRecipient('vault', 'p256.crt'), 'p256.key'],
  ['CMS for RSA', certificateRecipient('court', 'rsa.crt'), 'rsa.key'],
])('what was sealed: %s', async (name, to, file) => {
  const identity = recipientIdentity(identityFile(file))
  const sealed = await sealTo(to, given)
  const { accepted } = await fuzz({
    name: `sealed piece, ${name}`,
    limit: 8192,
    // Each is opened by a private key.
    count: 0.03,
    make: (d) => (d.chance(2) ? sealed : mutateBytes(d, sealed)),
    read: async (bytes) => {
      await identity.open(to, bytes)
      return bytes
    },
  })
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
})

test('the key of a recipient', async () => {
  const good = [certificateRecipient('x', 'p256.crt'), certificateRecipient('x', 'rsa.crt')].map((to) =>
    to.form === 'x509' ? fromBase64(to.certificate) : new Uint8Array(),
  )
  await fuzz({
    name: 'certificate of a recipient',
    limit: 8192,
    count: 0.1,
    make: (d) => mutateBytes(d, d.pick(good)),
    read: (bytes) => {
      const certificate = toBase64(bytes)
      return recipientFault({ form: 'x509', name: 'x', certificate }) === undefined ? bytes : undefined
    },
  })
  const { recipient } = ageRecipient() as Extract<Recipient, { form: 'age' }>
  await fuzz({
    name: 'age recipient',
    limit: 200,
    count: 0.1,
    make: (d) => utf8((d.chance(8) ? recipient : mutateText(d, recipient)).toWellFormed()),
    read: (bytes) => {
      const text = Buffer.from(bytes).toString('utf8')
      return recipientFault({ form: 'age', name: 'x', recipient: text }) === undefined ? utf8(text) : undefined
    },
  })
})

test('an identity file', async () => {
  const good = ['age.txt', 'p256.key'].map((name) => fromUtf8(identityFile(name)))
  const { accepted } = await fuzz({
    name: 'identity file of a recipient',
    limit: 65_536,
    count: 0.1,
    make: (d) => {
      const text = d.pick(good)
      return d.chance(4) ? utf8(text) : mutateBytes(d, utf8(mutateText(d, text).toWellFormed()))
    },
    read: (bytes) => {
      recipientIdentity(bytes)
      return bytes
    },
  })
  expect(accepted).toBeGreaterThan(SOME_ACCEPTED)
})
