// The KMS keys of the built product in a process of its own, in the environment of one site: SDKs read theirs when they are
// loaded, and Node reads NODE_EXTRA_CA_CERTS when it starts. Keys are asked by messages; without its channel the process
// has nothing left to do. KMS_PATIENCE: the deadline of a call in milliseconds, for what never answers.
import dns from 'node:dns'
import { register, syncBuiltinESMExports } from 'node:module'

const { KMS_PATIENCE } = process.env
if (KMS_PATIENCE !== undefined) {
  const hooks = `export const load = async (url, context, next) => {
    const loaded = await next(url, context)
    if (!url.endsWith('/kms/fault.js')) return loaded
    return { ...loaded, source: String(loaded.source).replace(/KMS_DEADLINE = [\\d_]+/, 'KMS_DEADLINE = ${KMS_PATIENCE}') }
  }`
  register(`data:text/javascript,${encodeURIComponent(hooks)}`)
}

// Names below .localhost are this machine (RFC 6761, 6.3); the resolver of glibc does not say so.
const { lookup } = dns
dns.lookup = (host, ...rest) => lookup(/(?:^|\.)localhost$/.test(host) ? '127.0.0.1' : host, ...rest)
syncBuiltinESMExports()

const { ensureKmsKey, openKmsKey } = await import('../../dist/kms/registry.js')
const { Secret } = await import('../../dist/lib/secret.js')

const context = { home: '/nowhere', random: () => new Uint8Array() }
const keys = new Map()
const acts = {
  ensure: ({ slot }) => ensureKmsKey(slot, context),
  open: async ({ slot, name }) => {
    const key = await openKmsKey(slot, context)
    keys.set(name, key)
    return { ref: key.ref, can: key.can }
  },
  wrap: ({ name, piece, bound }) => keys.get(name).wrap(new Secret(piece), bound),
  unwrap: async ({ name, wrapped, bound }) => (await keys.get(name).unwrap(wrapped, bound)).reveal(),
}

process.on('message', async ({ id, act, args }) => {
  if (act === 'end') return process.disconnect()
  try {
    process.send({ id, result: await acts[act](args) })
  } catch (error) {
    const { code, exit, message, hint, stack } = error
    process.send({ id, error: { code, exit, message, hint, stack } })
  }
})
process.send({ ready: true })
