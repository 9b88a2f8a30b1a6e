import { stat } from 'node:fs/promises'
import type { AesGCM, Handle, Mechanism, PKCS11, TokenInfo } from 'pkcs11js'
import type { Hash } from '../lib/brand.ts'
import { asText, concat, equal, fromHex, fromUtf8, utf8 } from '../lib/bytes.ts'
import { providerSays } from '../lib/call.ts'
import { QuorateError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { type KmsFault, kmsFault, loadSdk } from './fault.ts'
import { type Pkcs11Name, readPkcs11Name } from './pkcs11-name.ts'
import type { KmsContext, KmsKey, KmsProvider, Wrapped } from './port.ts'

type Sdk = typeof import('pkcs11js')

const NONCE = 12
const TAG = 16
const MOST = 4096
/** Of CK_SLOT_INFO: whatever is in the slot is hardware. pkcs11js has no name for it. */
const CKF_HW_SLOT = 4
/** Of PKCS#11 3.0, which pkcs11js does not know by name. */
const AEAD_DECRYPT_FAILED = 0x42

/** A library that speaks for tokens. It stays loaded: unloading one that has threads of its own ends the process. */
interface Loaded {
  readonly sdk: Sdk
  readonly module: PKCS11
}
const modules = new Map<string, Loaded>()

/** Last PIN that a token did not take, by token: it is not tried again, since a few wrong ones lock the token. */
const wrongPins = new Map<string, Uint8Array>()

/** Return values by what happened, by the beginnings of their names. */
const named: readonly (readonly [RegExp, KmsFault])[] = [
  [/^CKR_(?:PIN_|USER_|ACTION_PROHIBITED)/, 'refused'],
  [/^CKR_(?:MECHANISM_|KEY_|ARGUMENTS_BAD|ATTRIBUTE_|TEMPLATE_|FUNCTION_NOT_SUPPORTED)/, 'unfit'],
]
/** Of a piece that another key, another context or nobody sealed. SoftHSM has no better word for it than the first. */
const NOT_OPENED = /^CKR_(?:GENERAL_ERROR|ENCRYPTED_DATA_|DATA_|SIGNATURE_INVALID|AEAD_DECRYPT_FAILED)/

/** The name of a return value; undefined: an error of another kind, or one that was told already. */
const returned = (error: unknown): string | undefined => {
  if (!(error instanceof Error) || error instanceof QuorateError) return undefined
  const [, name, value = 'code' in error ? error.code : undefined] = /\b(CKR_\w+)(?::(\d+))?/.exec(error.message) ?? []
  if (name !== 'CKR_VENDOR_DEFINED') return name
  return Number(value) === AEAD_DECRYPT_FAILED ? 'CKR_AEAD_DECRYPT_FAILED' : `${name} ${value}`
}

const faultOf = (value: string): KmsFault => named.find(([names]) => names.test(value))?.[1] ?? 'unreachable'

const pinFault = (told: string, more: string): QuorateError =>
  new QuorateError(
    'E_KMS_DENIED',
    `the KMS key ${told} lies in a token that does not take this PIN (${more})`,
    'look for the right PIN before anything is run again: a token locks itself after a few wrong ones',
    { kms: 'refused' satisfies KmsFault },
  )

const load = async (path: string, told: string): Promise<Loaded> => {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true) throw kmsFault('missing', told, 'there is no module at its module-path')
  // It runs in this process, and sees data keys and PIN.
  if (process.getuid !== undefined && (found.mode & 0o022) !== 0)
    throw kmsFault('unfit', told, 'other users of this machine may write its module')
  const { default: sdk } = (await loadSdk('pkcs11js', () => import('pkcs11js'))) as unknown as { default: Sdk }
  const module = new sdk.PKCS11()
  try {
    module.load(path)
  } catch (error) {
    throw kmsFault('unfit', told, providerSays('', error instanceof Error ? error.message : ''), error)
  }
  return { sdk, module }
}

const moduleOf = async (path: string, told: string): Promise<Loaded> => {
  const loaded = modules.get(path) ?? (await load(path, told))
  modules.set(path, loaded)
  return loaded
}

/**
 * Everything between C_Initialize and C_Finalize, at one go: nothing else runs meanwhile, so that keys that share a module or
 * a token need not know of each other, nobody stays logged in, and a token that was put in later is seen.
 */
const using = <T>({ module }: Loaded, told: string, act: () => T): T => {
  let initialized = true
  try {
    try {
      module.C_Initialize()
    } catch (error) {
      if (returned(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
      initialized = false
    }
    return act()
  } catch (error) {
    const value = returned(error)
    // Its stack has addresses of the module, and nothing else.
    throw value === undefined ? error : kmsFault(faultOf(value), told, value)
  } finally {
    if (initialized) quietly(() => module.C_Finalize())
  }
}

/** The work is done, or has failed for a better reason. */
const quietly = (end: () => void): void => {
  try {
    end()
  } catch {}
}

interface Token {
  readonly slot: Handle
  readonly info: TokenInfo
  readonly label: string
  readonly serial: string
}

/** The one token of that name. Fields of a token are padded with blanks. */
const tokenOf = ({ module }: Loaded, { token }: Pkcs11Name, told: string): Token => {
  const found = module.C_GetSlotList(true).flatMap((slot): Token[] => {
    try {
      const info = module.C_GetTokenInfo(slot)
      const fields = {
        token: info.label.trimEnd(),
        serial: info.serialNumber.trimEnd(),
        manufacturer: info.manufacturerID.trimEnd(),
        model: info.model.trimEnd(),
      }
      const isMeant = Object.entries(token).every(([name, value]) => fields[name as keyof typeof fields] === value)
      return isMeant ? [{ slot, info, label: fields.token, serial: fields.serial }] : []
    } catch {
      // A token that does not even tell its name is not the one that is meant.
      return []
    }
  })
  const [one] = found
  if (one === undefined) throw kmsFault('missing', told, 'its module sees no token of that name')
  if (found.length > 1) throw kmsFault('ambiguous', told, `${found.length} tokens of that name: add serial=`)
  return one
}

const refuseWithoutGcm = ({ sdk, module }: Loaded, { slot }: Token, told: string): void => {
  const wanted = sdk.CKF_ENCRYPT | sdk.CKF_DECRYPT
  let flags = 0
  try {
    flags = module.C_GetMechanismInfo(slot, sdk.CKM_AES_GCM).flags
  } catch (error) {
    if (returned(error) !== 'CKR_MECHANISM_INVALID') throw error
  }
  if ((flags & wanted) !== wanted) throw kmsFault('unfit', told, 'its token does not do AES-GCM (CKM_AES_GCM)')
}

const logIn = ({ sdk, module }: Loaded, token: Token, session: Handle, pin: Secret, told: string): void => {
  const { flags } = token.info
  if ((flags & sdk.CKF_USER_PIN_LOCKED) !== 0) throw pinFault(told, 'its PIN is locked')
  // Another process may have used up the others; the last one is for a person who looks.
  if ((flags & sdk.CKF_USER_PIN_FINAL_TRY) !== 0)
    throw pinFault(told, 'one try is left before it locks: log in once with the tool of its maker')
  const place = `${token.serial} ${token.label}`
  const wrong = wrongPins.get(place)
  if (wrong !== undefined && equal(wrong, pin.reveal()))
    throw pinFault(told, 'it was wrong before, and is not tried again')
  try {
    // As a string, which nobody can wipe: the addon takes nothing else.
    module.C_Login(session, sdk.CKU_USER, fromUtf8(pin.reveal()))
  } catch (error) {
    const value = returned(error)
    if (value === 'CKR_USER_ALREADY_LOGGED_IN') return
    if (value?.startsWith('CKR_PIN_') !== true) throw error
    // Those may be mended without another PIN.
    if (!/LOCKED|EXPIRED/.test(value)) wrongPins.set(place, Uint8Array.from(pin.reveal()))
    throw pinFault(told, value)
  }
}

/** Numbers of a token have the size and the order of bytes of this machine. */
const numberOf = (bytes: Uint8Array): number => {
  const { buffer } = Uint8Array.from(bytes)
  if (bytes.length === 8) return Number(new BigUint64Array(buffer)[0])
  return bytes.length === 4 ? (new Uint32Array(buffer)[0] ?? -1) : -1
}

/** The one key of that name, if it can never leave its token. */
const keyOf = ({ sdk, module }: Loaded, { object, id }: Pkcs11Name, session: Handle, told: string): Handle => {
  module.C_FindObjectsInit(session, [
    { type: sdk.CKA_CLASS, value: sdk.CKO_SECRET_KEY },
    { type: sdk.CKA_TOKEN, value: true },
    ...(object === undefined ? [] : [{ type: sdk.CKA_LABEL, value: object }]),
    ...(id === undefined ? [] : [{ type: sdk.CKA_ID, value: Buffer.from(id) }]),
  ])
  const found = module.C_FindObjects(session, 2)
  module.C_FindObjectsFinal(session)
  const [key] = found
  if (key === undefined) throw kmsFault('missing', told, 'its token has no secret key of that name')
  if (found.length > 1)
    throw kmsFault('ambiguous', told, `more than one key of that name: add ${id === undefined ? 'id' : 'object'}=`)

  /** Undefined where the token does not have the attribute. */
  const attribute = (type: number): Uint8Array | undefined => {
    try {
      const value = module.C_GetAttributeValue(session, key, [{ type }])[0]?.value
      return value instanceof Uint8Array && value.length > 0 ? value : undefined
    } catch (error) {
      if (returned(error) !== 'CKR_ATTRIBUTE_TYPE_INVALID') throw error
      return undefined
    }
  }
  const size = attribute(sdk.CKA_VALUE_LEN)
  if (numberOf(attribute(sdk.CKA_KEY_TYPE) ?? new Uint8Array()) !== sdk.CKK_AES || !size || numberOf(size) !== 32)
    throw kmsFault('unfit', told, 'it is not an AES key of 256 bits')
  const must = { CKA_SENSITIVE: true, CKA_EXTRACTABLE: false, CKA_PRIVATE: true, CKA_ENCRYPT: true, CKA_DECRYPT: true }
  // Tokens that import keys may not keep these; one that says so lost the key's first copy, or never had the only one.
  const may = { CKA_ALWAYS_SENSITIVE: true, CKA_NEVER_EXTRACTABLE: true }
  for (const [name, value] of Object.entries({ ...must, ...may })) {
    const is = attribute(sdk[name as keyof typeof must | keyof typeof may])
    if (is === undefined ? name in must : (is[0] !== 0) !== value)
      throw kmsFault('unfit', told, `its ${name} is ${is === undefined ? 'not told' : !value}`)
  }
  return key
}

/** The PIN of one token has a variable of its own, where a site uses several: `region-eu` as QUORATE_PKCS11_PIN_REGION_EU. */
const pinFrom = async ({ environment = {}, passphrase }: KmsContext, label: string, told: string): Promise<Secret> => {
  const own = `QUORATE_PKCS11_PIN_${label.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`
  const given = environment[own] || environment['QUORATE_PKCS11_PIN']
  const pin = given ? new Secret(utf8(given)) : await passphrase?.()
  if (pin !== undefined && pin.length <= 255 && equal(utf8(asText(pin.reveal())), pin.reveal())) return pin
  throw new QuorateError(
    'E_PASSPHRASE',
    `the KMS key ${told} lies behind a PIN${pin === undefined ? '' : ', which is text of at most 255 bytes'}`,
    'set QUORATE_PKCS11_PIN, or give --kms-passphrase-file with a file that holds it',
  )
}

const pkcs11Key = (key: string, name: Pkcs11Name, loaded: Loaded, context: KmsContext): KmsKey => {
  const told = `pkcs11:${key}`
  const { sdk, module } = loaded
  const { label, serial, can } = using(loaded, told, () => {
    const token = tokenOf(loaded, name, told)
    refuseWithoutGcm(loaded, token, told)
    const hardware = (module.C_GetSlotInfo(token.slot).flags & CKF_HW_SLOT) !== 0
    const model = token.info.model.trimEnd().replace(/[^\x20-\x7e]/g, '?')
    const protection = `pkcs11: a token (${model})${hardware ? '' : ', not'} in hardware by its module's word`
    return { ...token, can: { context: true, hardware, protection } }
  })
  let pin: Secret | undefined

  /** Logged in to the token, with the key found and looked at again: another process may have put another one there. */
  const withKey = async <T>(act: (session: Handle, object: Handle) => T): Promise<T> => {
    pin ??= await pinFrom(context, label, told)
    const held = pin
    return using(loaded, told, () => {
      const token = tokenOf(loaded, name, told)
      const session = module.C_OpenSession(token.slot, sdk.CKF_SERIAL_SESSION)
      try {
        logIn(loaded, token, session, held, told)
        return act(session, keyOf(loaded, name, session, told))
      } finally {
        // The last session of a token takes the login with it.
        quietly(() => module.C_CloseSession(session))
      }
    })
  }

  const gcm = (nonce: Uint8Array, bound: Hash): Mechanism => {
    const parameter: AesGCM = {
      type: sdk.CK_PARAMS_AES_GCM_v240,
      iv: Buffer.from(nonce),
      ivBits: NONCE * 8,
      aad: Buffer.from(fromHex(bound)),
      tagBits: TAG * 8,
    }
    return { mechanism: sdk.CKM_AES_GCM, parameter }
  }

  return {
    ref: { provider: 'pkcs11', key },
    can,
    async wrap(piece, bound): Promise<Wrapped> {
      const nonce = context.random(NONCE)
      const sealed = await withKey((session, object) => {
        const { buffer, byteOffset, length } = piece.reveal()
        module.C_EncryptInit(session, gcm(nonce, bound), object)
        return module.C_Encrypt(session, Buffer.from(buffer, byteOffset, length), Buffer.alloc(length + TAG))
      })
      if (sealed.length !== piece.length + TAG)
        throw kmsFault('wrong answer', told, `a ciphertext of ${sealed.length} bytes`)
      // A key in a token has no version. Its check value, which might stand for one, is the beginning of GCM's hash key.
      const version = /^[!-~]{1,16}$/.test(serial) ? serial : 'token'
      return { provider: 'pkcs11', key, version, ciphertext: concat(nonce, sealed) }
    },
    async unwrap({ ciphertext }, bound) {
      const sealed = ciphertext.subarray(NONCE)
      if (sealed.length <= TAG || sealed.length > MOST)
        throw kmsFault('wrong key', told, `no key of a token makes a ciphertext of ${ciphertext.length} bytes`)
      // As long as the ciphertext: some modules ask for so much, although the tag does not come back.
      const out = Buffer.alloc(sealed.length)
      try {
        const opened = await withKey((session, object) => {
          module.C_DecryptInit(session, gcm(ciphertext.subarray(0, NONCE), bound), object)
          try {
            return module.C_Decrypt(session, Buffer.from(sealed), out)
          } catch (error) {
            const value = returned(error)
            throw value !== undefined && NOT_OPENED.test(value) ? kmsFault('wrong key', told, value) : error
          }
        })
        if (opened.length !== sealed.length - TAG)
          throw kmsFault('wrong answer', told, `a piece of ${opened.length} bytes`)
        return new Secret(Uint8Array.from(opened))
      } finally {
        out.fill(0)
      }
    },
  }
}

/**
 * AES keys of 256 bits in a PKCS#11 token, from which they never came out, under AES-GCM. Calls into a module do not return
 * before it has answered, and nothing ends them: a deadline would not.
 */
export const pkcs11: KmsProvider = {
  async open(key, context) {
    const told = `pkcs11:${key}`
    const name = readPkcs11Name(key)
    if (typeof name === 'string') throw kmsFault('missing', told, name)
    return pkcs11Key(key, name, await moduleOf(name.modulePath, told), context)
  },
  /** Whoever may make keys in a token may also choose to let them out. */
  ensure: async () => false,
}
