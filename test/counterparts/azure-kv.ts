import {
  constants,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  randomUUID,
  sign,
  verify,
} from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Authority } from './authority.ts'
import { layCable } from './wire.ts'

type Step = 'discovery' | 'token' | 'wrapkey' | 'unwrapkey' | 'get'
type Answer = Record<string, unknown>
export interface AzureFault {
  readonly on: Step
  /** The vault that it befalls; without it, all. */
  readonly vault?: string
  /** How many requests with a token it befalls. */
  times: number
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** In the place of an error document. */
  readonly body?: string
  readonly reset?: true
  readonly silent?: true
  /** Changes an answer on its way. */
  readonly change?: (answer: Answer) => Answer
}

export interface AzureKv {
  /** Of the process that asks. */
  readonly env: Readonly<Record<string, string>>
  readonly port: number
  /** URL of a key that has this one version; another call adds a version. */
  make(vault: string, name: string): string
  set(url: string, change: { enabled?: boolean; operations?: readonly string[]; deleted?: boolean }): void
  readonly faults: AzureFault[]
  /** Steps that were asked, in order; `-` before those without a token. */
  readonly asked: string[]
  /** Applications that have no permission. */
  readonly denied: Set<string>
  /** Milliseconds that the vault's clock is ahead. */
  clock: number
  /** In the place of the domain in the vault's challenge. */
  domain: string
  /** Of a token, in seconds. */
  lifetime: number
  /** In the place of its own name in tokens: some servers know the first one alone that it ever had. */
  issuer: string | undefined
  /** That the authority takes. */
  secret: string
  stop(): Promise<void>
}

const TENANT = '11111111-2222-3333-4444-555555555555'
const CLIENT = { id: '99999999-8888-7777-6666-555555555555', secret: 'secret of the application' }
const DOMAIN = 'vault.localhost'
const LOGIN = 'localhost'

interface Version {
  readonly pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
  enabled: boolean
  operations: readonly string[]
  deleted: boolean
}

class Refusal extends Error {
  readonly status: number
  readonly document: object
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, document: object, headers: Readonly<Record<string, string>> = {}) {
    super()
    this.status = status
    this.document = document
    this.headers = headers
  }
}
const refuse = (status: number, code: string, message: string, inner?: string): Refusal =>
  new Refusal(status, { error: { code, message, ...(inner !== undefined && { innererror: { code: inner } }) } })

const url64 = (value: Uint8Array | string): string => Buffer.from(value).toString('base64url')
const from64 = (value: unknown): Buffer => Buffer.from(String(value), 'base64url')

/**
 * Vaults below vault.localhost and their Entra authority on localhost, at one port with TLS: the challenge, the discovery
 * document, tokens for a client secret, wrapKey and unwrapKey under RSA-OAEP-256. It holds no roles, firewall or HSM.
 */
export const startAzureKv = async (authority: Authority): Promise<AzureKv> => {
  const versions = new Map<string, Version>()
  const signer = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const tokenOf = (claims: object): string => {
    const text = `${url64(JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: 'one' }))}.${url64(JSON.stringify(claims))}`
    return `${text}.${url64(sign('sha256', Buffer.from(text), signer.privateKey))}`
  }

  const login = (path: string, form: URLSearchParams): [Step, () => Answer] => {
    const at = `https://${LOGIN}:${vault.port}/${TENANT}`
    if (path === `/${TENANT}/v2.0/.well-known/openid-configuration`)
      return [
        'discovery',
        () => ({
          issuer: `${at}/v2.0`,
          authorization_endpoint: `${at}/oauth2/v2.0/authorize`,
          token_endpoint: `${at}/oauth2/v2.0/token`,
          jwks_uri: `${at}/discovery/v2.0/keys`,
        }),
      ]
    if (path !== `/${TENANT}/oauth2/v2.0/token`) throw refuse(404, 'NotFound', path)
    return [
      'token',
      () => {
        if (form.get('client_id') !== CLIENT.id || form.get('client_secret') !== vault.secret)
          throw new Refusal(401, {
            error: 'invalid_client',
            error_description: 'AADSTS7000215: Invalid client secret provided.',
            error_codes: [7000215],
          })
        const now = Math.floor((Date.now() + vault.clock) / 1000)
        const aud = form.get('scope')?.replace(/\/\.default$/, '')
        const claims = {
          iss: vault.issuer ?? `${at}/v2.0`,
          aud,
          tid: TENANT,
          appid: CLIENT.id,
          iat: now,
          nbf: now,
          exp: now + vault.lifetime,
        }
        return { token_type: 'Bearer', expires_in: vault.lifetime, access_token: tokenOf(claims) }
      },
    ]
  }

  const application = (header: string): string => {
    const [head = '', body = '', signature = ''] = header.replace(/^Bearer /, '').split('.')
    const isSigned = verify('sha256', Buffer.from(`${head}.${body}`), signer.publicKey, from64(signature))
    const { aud, tid, nbf, exp, appid } = isSigned ? JSON.parse(String(from64(body))) : {}
    const now = Date.now() / 1000
    if (aud !== `https://${DOMAIN}` || tid !== TENANT || !(nbf - 300 <= now && now < exp))
      throw refuse(401, 'Unauthorized', 'AKV10022: Invalid audience, issuer or time of the token.')
    return appid
  }

  const use = (url: string, step: Step, { alg, value }: Answer): Answer => {
    const kid = url.slice(0, url.lastIndexOf('/'))
    const version = versions.get(kid)
    if (version === undefined || version.deleted)
      throw refuse(404, 'KeyNotFound', `A key with (name/id) ${kid} was not found in this key vault.`)
    if (!version.enabled)
      throw refuse(403, 'Forbidden', `Operation ${step} is not allowed on a disabled key.`, 'KeyDisabled')
    if (!version.operations.includes(step))
      throw refuse(403, 'Forbidden', `Operation ${step} is not permitted on this key.`, 'KeyOperationForbidden')
    if (alg !== 'RSA-OAEP-256') throw refuse(400, 'BadParameter', `Key and alg ${alg} do not fit each other.`)
    const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
    try {
      return step === 'wrapkey'
        ? { kid, value: url64(publicEncrypt({ key: version.pair.publicKey, ...padding }, from64(value))) }
        : { kid, value: url64(privateDecrypt({ key: version.pair.privateKey, ...padding }, from64(value))) }
    } catch {
      throw refuse(400, 'BadParameter', 'The parameter is incorrect.')
    }
  }

  const inVault = (url: URL, token: string | undefined, text: string): [Step, () => Answer] => {
    const path = url.origin + url.pathname
    const last = path.split('/').at(-1)
    const step = last === 'wrapkey' || last === 'unwrapkey' ? last : 'get'
    return [
      step,
      () => {
        if (token === undefined)
          throw new Refusal(
            401,
            { error: { code: 'Unauthorized', message: 'AKV10000: Request is missing a Bearer or PoP token.' } },
            {
              'www-authenticate': `Bearer authorization="https://${LOGIN}:${vault.port}/${TENANT}", resource="https://${vault.domain}"`,
            },
          )
        if (vault.denied.has(application(token)))
          throw refuse(403, 'Forbidden', 'Caller is not authorized to perform action on resource.', 'ForbiddenByRbac')
        if (step === 'get' || !url.searchParams.has('api-version'))
          throw refuse(403, 'Forbidden', 'The application has wrapKey and unwrapKey alone.', 'ForbiddenByRbac')
        return use(path, step, JSON.parse(text))
      },
    ]
  }

  const server = createServer({ key: authority.tls.key, cert: authority.tls.cert }, async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const send = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', 'x-ms-request-id': randomUUID(), ...headers })
      response.end(body)
    }
    const url = new URL(request.url ?? '', `https://${request.headers.host}`)
    const token = request.headers.authorization
    const isLogin = url.hostname === LOGIN
    try {
      const [step, act] = isLogin ? login(url.pathname, new URLSearchParams(text)) : inVault(url, token, text)
      vault.asked.push(isLogin || token !== undefined ? step : `-${step}`)
      const fault = vault.faults.find(
        (one) =>
          one.on === step &&
          one.times > 0 &&
          (isLogin || token !== undefined) &&
          (one.vault === undefined || url.hostname === `${one.vault}.${DOMAIN}`),
      )
      if (fault !== undefined) fault.times -= 1
      if (fault?.silent) return
      if (fault?.reset) return cable.cut(request.socket.remotePort)
      if (fault?.status !== undefined)
        return send(fault.status, fault.body ?? '{"error":{"code":"Injected","message":"x"}}', fault.headers)
      const made = act()
      send(200, JSON.stringify(fault?.change?.(made) ?? made))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      send(error.status, JSON.stringify(error.document), error.headers)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cable = await layCable((server.address() as AddressInfo).port)
  const vault: AzureKv = {
    env: {
      NODE_EXTRA_CA_CERTS: authority.ca,
      AZURE_AUTHORITY_HOST: `https://${LOGIN}:${cable.port}`,
      AZURE_TENANT_ID: TENANT,
      AZURE_CLIENT_ID: CLIENT.id,
      AZURE_CLIENT_SECRET: CLIENT.secret,
      AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential',
    },
    port: cable.port,
    make(name, key) {
      const url = `https://${name}.${DOMAIN}:${cable.port}/keys/${key}/${randomBytes(16).toString('hex')}`
      const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
      versions.set(url, { pair, enabled: true, operations: ['wrapkey', 'unwrapkey'], deleted: false })
      return url
    },
    set: (url, change) => void Object.assign(versions.get(url) ?? {}, change),
    faults: [],
    asked: [],
    denied: new Set(),
    clock: 0,
    domain: DOMAIN,
    lifetime: 3600,
    issuer: undefined,
    secret: CLIENT.secret,
    stop: () => {
      server.closeAllConnections()
      return Promise.all([cable.close(), new Promise((resolve) => server.close(resolve))]).then(() => undefined)
    },
  }
  return vault
}
