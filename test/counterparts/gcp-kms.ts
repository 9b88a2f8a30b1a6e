import { createCipheriv, createDecipheriv, generateKeyPairSync, randomBytes, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import gax from 'google-gax'
import { crc32c } from '../../src/lib/crc32c.ts'
import type { Authority } from './authority.ts'
import { layCable } from './wire.ts'

const { grpc } = gax
const { status } = grpc

type Method = 'Encrypt' | 'Decrypt' | 'RawEncrypt' | 'RawDecrypt'
type Fields = Record<string, unknown>
interface Version {
  readonly secret: Buffer
  state: 'ENABLED' | 'DISABLED' | 'DESTROY_SCHEDULED'
}
interface Key {
  readonly raw: boolean
  readonly versions: Version[]
  primary: number
}
export interface GcpFault {
  readonly on: Method
  /** Begins the id of the keys that it befalls; without it, all. */
  readonly key?: string
  /** How many requests it befalls. */
  times: number
  readonly code?: number
  readonly details?: string
  readonly reset?: true
  readonly silent?: true
  /** Changes an answer on its way. */
  readonly change?: (answer: Fields) => Fields
}

export interface GcpKms {
  /** Other cables to the same server, as a key's name begins with them: one that says nothing, and one to break. */
  readonly dead: string
  readonly broken: string
  /** Of the process that asks. */
  readonly env: Readonly<Record<string, string>>
  /** Full name of a new key, on this endpoint. Purpose ENCRYPT_DECRYPT, or RAW_ENCRYPT_DECRYPT by its first version. */
  make(name: string, raw?: boolean): string
  /** Adds a version, which is the primary one from then on. */
  rotate(name: string): void
  state(name: string, state: Version['state'], version?: number): void
  readonly faults: GcpFault[]
  /** Methods that were asked, repetitions too. */
  readonly asked: Method[]
  /** Service accounts that have no permission. */
  readonly denied: Set<string>
  /** Milliseconds that the service's clock is ahead. */
  clock: number
  stop(): Promise<void>
}

const ACCOUNT = 'eu@custody.iam.gserviceaccount.com'
const refuse = (code: number, details: string) => Object.assign(new Error(details), { code, details })
const bytesOf = (value: unknown): Buffer => Buffer.from((value as Uint8Array | null) ?? [])

/** True where a checksum was sent; an Int64Value of 0 is one. */
const checked = (request: Fields, field: string, data: Buffer): boolean => {
  const sum = request[`${field}Crc32c`] as { value?: string } | null | undefined
  if (sum === null || sum === undefined) return false
  if (Number(sum.value ?? 0) === crc32c(data)) return true
  throw refuse(
    status.INVALID_ARGUMENT,
    `The checksum in field ${field}_crc32c did not match the data in field ${field}.`,
  )
}

const seal = (key: Buffer, iv: Buffer, aad: Buffer, plain: Buffer): Buffer => {
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}
const open = (key: Buffer, iv: Buffer, aad: Buffer, sealed: Buffer): Buffer => {
  try {
    const cipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(sealed.subarray(-16))
    return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()])
  } catch {
    throw refuse(status.INVALID_ARGUMENT, "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
  }
}

/**
 * Cloud KMS as its clients see it: gRPC over TLS by the SDK's own protocol files, the token of a service account verified,
 * additional authenticated data, checksums both ways. It holds no policy, no quota, no protection levels.
 */
export const startGcpKms = async (authority: Authority): Promise<GcpKms> => {
  const keys = new Map<string, Key>()
  const account = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const credentials = join(authority.folder, 'service-account.json')
  writeFileSync(
    credentials,
    JSON.stringify({
      type: 'service_account',
      project_id: 'custody',
      private_key_id: 'one',
      private_key: account.privateKey.export({ format: 'pem', type: 'pkcs8' }),
      client_email: ACCOUNT,
      client_id: '1',
      token_uri: 'https://oauth2.invalid/token',
    }),
  )

  const principal = (header: unknown): string => {
    const [head = '', body = '', signature = ''] = String(header ?? '')
      .replace(/^Bearer /, '')
      .split('.')
    const { iss, sub, iat, exp, scope = '', aud } = JSON.parse(Buffer.from(body, 'base64url').toString() || '{}')
    const now = (Date.now() + kms.clock) / 1000
    const isSigned = verify(
      'sha256',
      Buffer.from(`${head}.${body}`),
      account.publicKey,
      Buffer.from(signature, 'base64url'),
    )
    const isMeant = String(scope).includes('https://www.googleapis.com/auth/cloud') || aud !== undefined
    if (!isSigned || !isMeant || iss !== sub || !(iat - 60 <= now && now <= exp && exp - iat <= 3600))
      throw refuse(status.UNAUTHENTICATED, 'Request had invalid authentication credentials.')
    return iss
  }

  const keyOf = (name: unknown): { key: Key; at: number; base: string } => {
    const [, base = '', at] = /^(.*?)(?:\/cryptoKeyVersions\/(\d+))?$/.exec(String(name)) ?? []
    const key = keys.get(base)
    if (key === undefined) throw refuse(status.NOT_FOUND, `CryptoKey ${base} not found.`)
    return { key, at: at === undefined ? key.primary : Number(at), base }
  }
  const usable = (name: unknown, at?: number): { secret: Buffer; name: string; at: number; isPrimary: boolean } => {
    const found = keyOf(name)
    const number = at ?? found.at
    const version = found.key.versions[number - 1]
    const full = `${found.base}/cryptoKeyVersions/${number}`
    if (version === undefined) throw refuse(status.NOT_FOUND, `CryptoKeyVersion ${full} not found.`)
    if (version.state !== 'ENABLED')
      throw refuse(status.FAILED_PRECONDITION, `${full} is not enabled, current state is: ${version.state}.`)
    return { secret: version.secret, name: full, at: number, isPrimary: number === found.key.primary }
  }
  const purpose = (name: unknown, raw: boolean): void => {
    if (keyOf(name).key.raw !== raw)
      throw refuse(status.FAILED_PRECONDITION, `${name} is not of a purpose that this operation takes.`)
  }

  const answers: Readonly<Record<Method, (request: Fields) => Fields>> = {
    Encrypt: (request) => {
      purpose(request['name'], false)
      const [plain, aad] = [bytesOf(request['plaintext']), bytesOf(request['additionalAuthenticatedData'])]
      const version = usable(request['name'])
      const head = Buffer.alloc(5, 0x0a)
      head.writeUInt32BE(version.at, 1)
      const iv = randomBytes(12)
      const ciphertext = Buffer.concat([head, iv, seal(version.secret, iv, aad, plain)])
      return {
        name: version.name,
        ciphertext,
        ciphertextCrc32c: { value: crc32c(ciphertext) },
        verifiedPlaintextCrc32c: checked(request, 'plaintext', plain),
        verifiedAdditionalAuthenticatedDataCrc32c: checked(request, 'additionalAuthenticatedData', aad),
      }
    },
    Decrypt: (request) => {
      purpose(request['name'], false)
      const [sealed, aad] = [bytesOf(request['ciphertext']), bytesOf(request['additionalAuthenticatedData'])]
      checked(request, 'ciphertext', sealed)
      checked(request, 'additionalAuthenticatedData', aad)
      const at = sealed.length > 33 && sealed[0] === 0x0a ? sealed.readUInt32BE(1) : 0
      if (keyOf(request['name']).key.versions[at - 1] === undefined)
        throw refuse(status.INVALID_ARGUMENT, "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
      const { secret, isPrimary } = usable(request['name'], at)
      const plaintext = open(secret, sealed.subarray(5, 17), aad, sealed.subarray(17))
      return { plaintext, plaintextCrc32c: { value: crc32c(plaintext) }, usedPrimary: isPrimary }
    },
    RawEncrypt: (request) => {
      purpose(request['name'], true)
      const [plain, aad] = [bytesOf(request['plaintext']), bytesOf(request['additionalAuthenticatedData'])]
      const { secret, name } = usable(request['name'])
      const initializationVector = randomBytes(12)
      const ciphertext = seal(secret, initializationVector, aad, plain)
      return {
        name,
        ciphertext,
        initializationVector,
        tagLength: 16,
        ciphertextCrc32c: { value: crc32c(ciphertext) },
        initializationVectorCrc32c: { value: crc32c(initializationVector) },
        verifiedPlaintextCrc32c: checked(request, 'plaintext', plain),
        verifiedAdditionalAuthenticatedDataCrc32c: checked(request, 'additionalAuthenticatedData', aad),
      }
    },
    RawDecrypt: (request) => {
      purpose(request['name'], true)
      const [sealed, aad] = [bytesOf(request['ciphertext']), bytesOf(request['additionalAuthenticatedData'])]
      const iv = bytesOf(request['initializationVector'])
      if (request['tagLength'] !== 16) throw refuse(status.INVALID_ARGUMENT, 'tag_length is not one of AES-GCM.')
      const verified = {
        verifiedCiphertextCrc32c: checked(request, 'ciphertext', sealed),
        verifiedAdditionalAuthenticatedDataCrc32c: checked(request, 'additionalAuthenticatedData', aad),
        verifiedInitializationVectorCrc32c: checked(request, 'initializationVector', iv),
      }
      const plaintext = open(usable(request['name']).secret, iv, aad, sealed)
      return { plaintext, plaintextCrc32c: { value: crc32c(plaintext) }, ...verified }
    },
  }

  const answer = (method: Method, request: Fields, authorization: unknown, peer: string): Fields | undefined => {
    kms.asked.push(method)
    const who = principal(authorization)
    const fault = kms.faults.find(
      ({ on, key = '', times }) => on === method && times > 0 && String(request['name']).includes(`/cryptoKeys/${key}`),
    )
    if (fault !== undefined) fault.times -= 1
    if (fault?.silent) return undefined
    if (fault?.reset) {
      for (const cable of cables) cable.cut(Number(peer.split(':').at(-1)))
      return undefined
    }
    if (fault?.code !== undefined) throw refuse(fault.code, fault.details ?? 'as the test wants it')
    if (kms.denied.has(who))
      throw refuse(
        status.PERMISSION_DENIED,
        `Permission 'cloudkms.cryptoKeyVersions.use' denied on ${request['name']}.`,
      )
    const made = answers[method](request)
    return fault?.change?.(made) ?? made
  }

  const server = new grpc.Server()
  const protos = createRequire(import.meta.url)('@google-cloud/kms/build/protos/protos.json')
  // biome-ignore lint/suspicious/noExplicitAny: the package is made of the protocol files when they are read
  const { KeyManagementService } = (new gax.GrpcClient().loadProtoJSON(protos) as any).google.cloud.kms.v1
  type Handler = Parameters<typeof server.addService>[1][string]
  const handlers = (Object.keys(answers) as Method[]).map((method): [string, Handler] => [
    method,
    ((
      call: { request: Fields; metadata: { get(name: string): unknown[] }; getPeer(): string },
      done: (...args: unknown[]) => void,
    ) => {
      try {
        const made = answer(method, call.request, call.metadata.get('authorization')[0], call.getPeer())
        if (made !== undefined) done(null, made)
      } catch (error) {
        done({ code: status.INTERNAL, ...(error as object) })
      }
    }) as Handler,
  ])
  server.addService(KeyManagementService.service, Object.fromEntries(handlers))
  const { key, cert } = authority.tls
  const identity = grpc.ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }])
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', identity, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  )
  const cables = [await layCable(port), await layCable(port), await layCable(port, true)] as const
  const base = (name: string): string => `projects/custody/locations/europe-west3/keyRings/quorate/cryptoKeys/${name}`
  const [endpoint, broken, dead] = cables.map((cable) => `//localhost:${cable.port}/`) as [string, string, string]
  const kms: GcpKms = {
    broken,
    dead,
    env: {
      GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: authority.ca,
      GOOGLE_APPLICATION_CREDENTIALS: credentials,
      METADATA_SERVER_DETECTION: 'none',
    },
    make(name, raw = false) {
      keys.set(base(name), { raw, versions: [{ secret: randomBytes(32), state: 'ENABLED' }], primary: 1 })
      return `${endpoint}${base(name)}${raw ? '/cryptoKeyVersions/1' : ''}`
    },
    rotate(name) {
      const found = keyOf(base(name)).key
      found.primary = found.versions.push({ secret: randomBytes(32), state: 'ENABLED' })
    },
    state(name, state, version = 1) {
      const found = keyOf(base(name)).key.versions[version - 1]
      if (found !== undefined) found.state = state
    },
    faults: [],
    asked: [],
    denied: new Set(),
    clock: 0,
    async stop() {
      server.forceShutdown()
      await Promise.all(cables.map((cable) => cable.close()))
    },
  }
  return kms
}
