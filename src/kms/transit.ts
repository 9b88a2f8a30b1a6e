import * as v from 'valibot'
import type { Hash } from '../lib/brand.ts'
import { asText, fromHex, utf8 } from '../lib/bytes.ts'
import { providerSays } from '../lib/call.ts'
import { Secret } from '../lib/secret.ts'
import { KMS_DEADLINE, type KmsFault, kmsFault } from './fault.ts'
import type { KmsContext, KmsKey, KmsProvider } from './port.ts'

/** As the transit engine of OpenBao and Vault writes what it sealed: the version of the key, and base64. */
const CIPHERTEXT = /^vault:v([1-9]\d{0,8}):[A-Za-z0-9+/]{1,4096}={0,2}$/
const ANSWER_LIMIT = 65_536
const TRIES = 3

const wrapAnswer = v.object({ data: v.object({ ciphertext: v.pipe(v.string(), v.regex(CIPHERTEXT)) }) })
const unwrapAnswer = v.object({ data: v.object({ plaintext: v.pipe(v.string(), v.base64(), v.maxLength(4096)) }) })
const errorAnswer = v.object({ errors: v.array(v.string()) })

type Verb = 'encrypt' | 'decrypt'

/** `https://HOST:PORT/MOUNT/KEY`; a mount may have more than one part. */
const endpointOf = (name: string, verb: Verb): string => {
  const { origin, pathname } = new URL(name)
  const parts = pathname.split('/')
  return `${origin}/v1${parts.slice(0, -1).join('/')}/${verb}/${parts.at(-1) ?? ''}`
}

interface Answer {
  readonly status: number
  readonly text: string
}

const readBounded = async (response: Response): Promise<Answer> => {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > ANSWER_LIMIT) throw new RangeError(`an answer of over ${ANSWER_LIMIT} bytes`)
    parts.push(part)
  }
  return { status: response.status, text: asText(Buffer.concat(parts)) }
}

const json = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The server's own words, where it sent some. */
const wordsOf = ({ status, text }: Answer): string => {
  const { success, output } = v.safeParse(errorAnswer, json(text))
  return providerSays(String(status), success ? output.errors.join('; ') : '')
}

/** By what happened: another key, another context, a closed version and a missing key are all 400 there. */
const faultOf = ({ status, text }: Answer, verb: Verb): KmsFault => {
  if (status === 403) return 'refused'
  if (status === 404 || (status === 400 && text.includes('key not found'))) return 'missing'
  if (status === 429) return 'throttled'
  if (text.includes('disallowed by policy')) return 'disabled'
  return status === 400 ? (verb === 'decrypt' ? 'wrong key' : 'unfit') : 'unreachable'
}

/** The innermost cause says it: fetch itself tells that it failed. */
const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return providerSays('', cause instanceof Error ? cause.message : '')
}

const transitKey = (name: string, { environment = {}, random }: KmsContext): KmsKey => {
  const told = `transit:${name}`

  const headers = (): Record<string, string> => {
    const token = environment['BAO_TOKEN'] || environment['VAULT_TOKEN'] || ''
    if (!/^[\x21-\x7e]{1,4096}$/.test(token))
      throw kmsFault('unreachable', told, 'neither BAO_TOKEN nor VAULT_TOKEN holds a token')
    const namespace = environment['BAO_NAMESPACE'] || environment['VAULT_NAMESPACE']
    return {
      'content-type': 'application/json',
      'x-vault-request': 'true',
      'x-vault-token': token,
      ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
    }
  }

  /** Asked again where the server may be back in a moment: wrapping and unwrapping change nothing there. */
  const ask = async (verb: Verb, body: Readonly<Record<string, string>>): Promise<unknown> => {
    const signal = AbortSignal.timeout(KMS_DEADLINE)
    // A redirect would carry the token to a host that nobody named.
    const request = {
      method: 'POST',
      headers: headers(),
      body: JSON.stringify(body),
      redirect: 'error',
      signal,
    } as const
    for (let left = TRIES - 1; ; left--) {
      const answer = await fetch(endpointOf(name, verb), request)
        .then(readBounded)
        .catch((error: unknown) => {
          if (error instanceof RangeError) throw kmsFault('wrong answer', told, error.message)
          if (left === 0 || signal.aborted) throw kmsFault('unreachable', told, reasonOf(error), error)
          return undefined
        })
      if (answer?.status === 200) return json(answer.text)
      if (answer !== undefined && (left === 0 || (answer.status < 500 && answer.status !== 429)))
        throw kmsFault(faultOf(answer, verb), told, wordsOf(answer))
      const [jitter = 0] = random(1)
      await new Promise((resolve) => setTimeout(resolve, 400 / left + jitter))
    }
  }

  const bound = (context: Hash): { associated_data: string } => ({
    associated_data: Buffer.from(fromHex(context)).toString('base64'),
  })

  return {
    ref: { provider: 'transit', key: name },
    can: { context: true, hardware: false, protection: 'transit: as the disk and the seal of its server' },
    async wrap(piece, context) {
      const plaintext = Buffer.from(piece.reveal()).toString('base64')
      const answer = v.safeParse(wrapAnswer, await ask('encrypt', { plaintext, ...bound(context) }))
      if (!answer.success) throw kmsFault('wrong answer', told, 'it is no ciphertext')
      const { ciphertext } = answer.output.data
      const version = CIPHERTEXT.exec(ciphertext)?.[1] ?? ''
      return { provider: 'transit', key: name, version, ciphertext: utf8(ciphertext) }
    },
    async unwrap({ ciphertext: bytes, version }, context) {
      const ciphertext = asText(bytes)
      if (CIPHERTEXT.exec(ciphertext)?.[1] !== version) throw kmsFault('wrong key', told, 'transit made no such piece')
      const answer = v.safeParse(unwrapAnswer, await ask('decrypt', { ciphertext, ...bound(context) }))
      if (!answer.success) throw kmsFault('wrong answer', told, 'it is no plaintext')
      return new Secret(new Uint8Array(Buffer.from(answer.output.data.plaintext, 'base64')))
    },
  }
}

/** A key of the transit engine of OpenBao or Vault, by plain HTTPS; the token comes from the environment. */
export const transit: KmsProvider = {
  open: async (key, context) => transitKey(key, context),
  /** A site makes no key there: whoever may make keys may also take them away. */
  ensure: async () => false,
}
