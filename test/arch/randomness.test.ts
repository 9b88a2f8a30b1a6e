import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.split(sep).join('/'))
  .sort()

/** Every way to bytes that the hedge has not seen. */
const RAW: readonly RegExp[] = [
  /\bsystemRandom\b/,
  /\bmachine\??\.random\b/,
  // { random } taken out of a machine, however it is named on the way.
  /\{[^{}]*\brandom\b[^{}]*\}\s*=\s*[\w.]*machine\b/,
  /\brandom(?:Bytes|Fill|FillSync|Int|UUID)\b/,
  /\bgetRandomValues\b|\bwebcrypto\b/,
  /\bMath\.random\b/,
  /\bgenerateKey(?:Pair)?(?:Sync)?\b/,
  /\brandom(?:SecretKey|PrivateKey)\b/,
  // Without a seed these draw for themselves.
  /\bkeygen\(\s*\)/,
  /\bencapsulate\(\s*[^(),]*\)/,
]

/** Where bytes of the system may be taken as they are, and why. */
const ALLOWED: Readonly<Record<string, string>> = {
  'host/random.ts': 'the system’s generator itself',
  'ceremony/hedge.ts': 'the hedge, which mixes them with the home’s key',
  'site/machine.ts': 'hands the generator to the hedge, and draws the key of a home that has none yet',
  'site/plan-readmit.ts': 'a definition’s nonce is public',
  'site/plan-reconstruct.ts': 'a definition’s nonce is public',
  'site/plan-rewrap.ts': 'a definition’s nonce is public',
  'site/emergency.ts': 'a definition’s nonce is public',
  'site/planning.ts': 'a definition’s nonce is public',
  'site/rehearsal-props.ts': 'the seed of a rehearsal is printed',
  'site/relay.ts': 'a relay’s challenges are public',
}

const found = files.filter((file) => {
  const text = readFileSync(join(src, file), 'utf8')
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/\/\/.*$/gm, '')
  return RAW.some((pattern) => pattern.test(text))
})

describe('randomness', () => {
  test('nothing takes the system’s random bytes itself but what has a reason', () => {
    expect(found.filter((file) => ALLOWED[file] === undefined)).toEqual([])
  })

  test('and every reason is still needed', () => {
    expect(Object.keys(ALLOWED).filter((file) => !found.includes(file))).toEqual([])
  })

  test.each([
    'site.machine.random',
    'const { clock, random } = this.site.machine',
    'randomBytes(12)',
    'ml_kem768.keygen()',
    'encapsulate(publicKey)',
  ])('a raw source is seen: %s', (text) => {
    expect(RAW.some((pattern) => pattern.test(text))).toBe(true)
  })
})
