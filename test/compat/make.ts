import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readBundle } from '../../src/audit/bundle.ts'
import { bufferSource } from '../../src/audit/tar.ts'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { definitionPath } from '../../src/ceremony/paths.ts'
import { Peers } from '../../src/ceremony/peers/peers.ts'
import { readSignedMessage, signMessage } from '../../src/ceremony/session/round-message.ts'
import { systemRandom } from '../../src/host/random.ts'
import { makeCard } from '../../src/identity/card.ts'
import { openHome } from '../../src/identity/home.ts'
import { ensureKmsKey, openKmsKey } from '../../src/kms/registry.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { durableFolder, writeDurable } from '../../src/lib/durable.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { ceremonyId, type Definition, definitionCodec } from '../../src/records/definition.ts'
import { definitionYaml } from '../../src/records/definition-yaml.ts'
import { recordCodec } from '../../src/records/outcome.ts'
import type { MemoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { shardStore } from '../../src/shards/store.ts'
import { messageKeyIn } from '../support/bundles.ts'
import { keygenDefinition, signDefinition, siteEntries } from '../support/definition.ts'
import { memoryHome } from '../support/home.ts'
import { approveIn, type MemoryWorld, memoryWorld, startJoin } from '../support/memory-site.ts'
import { seededRandom } from '../support/random.ts'

const names = ['eu', 'us', 'ap']
export const PASSPHRASE = 'a passphrase that is no secret'
const message = utf8('pay nobody\n')

/** What a later version is held to, beside the files themselves. */
export interface Expected {
  readonly keygen: Hash
  readonly sign: Hash
  readonly key: Hash
  readonly publicKey: string
  readonly signature: string
  readonly envelope: Hash
  /** Of the share that the home's shard opens to. */
  readonly share: Hash
  /** Under the trust file: the verdict, and every check's own. */
  readonly verdicts: Readonly<
    Record<string, { readonly verdict: string; readonly checks: Readonly<Record<string, string>> }>
  >
}

const diskOf = (world: MemoryWorld, name: string): MemoryDisk => world.homes.get(name)?.disk as MemoryDisk

/** A join of each, with the randomness of which test/support/bundles.ts knows the message keys; errors are what they end with. */
const joinAll = async (
  world: MemoryWorld,
  who: readonly string[],
  definition: Definition,
  given: Uint8Array | null,
  kms: string,
) => {
  const ceremony = ceremonyId(definition)
  for (const name of who) {
    await durableFolder(diskOf(world, name), dirname(definitionPath(ceremony)))
    await writeDurable(diskOf(world, name), definitionPath(ceremony), definitionCodec.encode(definition))
    await approveIn(world, name, definition)
  }
  const runs = await Promise.all(
    who.map((name, at) => {
      const context = { home: join(kms, 'home'), random: systemRandom }
      const key = () => openKmsKey({ provider: 'local', key: join(kms, `${name}.key`) }, context)
      return startJoin(world, name, definition, given, {
        kms: key,
        machine: {
          clock: world.clock,
          random: seededRandom(`join of ${definition.kind} at ${name}`),
          processId: at + 1,
          vmGeneration: null,
          build: 'b1'.repeat(32) as Hash,

          runtime: 'node 20.20.2',
          sdks: [],
        },
      })
    }),
  )
  return Promise.allSettled(runs.map((run) => run.done))
}

const newWorld = async (kms: string, seed: string): Promise<MemoryWorld> => {
  const world = await memoryWorld(names, seed)
  for (const name of names) {
    const slot = { provider: 'local', key: join(kms, `${name}.key`) }
    await ensureKmsKey(slot, { home: join(kms, 'home'), random: seededRandom(`kms of ${name}`) })
  }
  return world
}

/** From now on the second site signs shares that are off by one bit. */
const lieAsSecond = (definition: Definition): void => {
  const send = Peers.prototype.sendInSession
  Peers.prototype.sendInSession = function (topic, to, bytes) {
    const { protocol, session, round, from, to: place, payload } = readSignedMessage(bytes)
    if (round !== 'shares' || from !== 2 || payload === undefined) return send.call(this, topic, to, bytes)
    const wrong = payload.slice()
    wrong[wrong.length - 5] = (wrong[wrong.length - 5] ?? 0) ^ 1
    const head = { protocol, session, round, from, to: place }
    send.call(
      this,
      topic,
      to,
      signMessage(messageKeyIn(definition, 'us'), head, wrong, new Uint8Array(32).fill(7)).bytes,
    )
  }
}

const tar = (folder: string, files: ReadonlyMap<string, Uint8Array>, to: string): void => {
  for (const [path, bytes] of files) {
    mkdirSync(join(folder, dirname(path)), { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, path), bytes, { mode: 0o600 })
  }
  const same = ['--format=ustar', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
  execFileSync('tar', [...same, '-cf', to, '-C', folder, '.'])
}

export const make = async (version: string | undefined): Promise<void> => {
  if (version === undefined || !/^v\d+\.\d+$/.test(version)) throw new Error('say for which version: v0.1')
  const out = fileURLToPath(new URL(version, import.meta.url))
  mkdirSync(out)
  const temporary = mkdtempSync(join(tmpdir(), 'quorate-compat-'))
  const write = (name: string, bytes: Uint8Array | string): void => writeFileSync(join(out, name), bytes)
  try {
    const kms = join(temporary, 'kms')
    const world = await newWorld(kms, 'compat')
    const sites = await siteEntries(names)
    const keygen = await keygenDefinition({ sites })
    const [made] = await joinAll(world, names, keygen, null, kms)
    const [epoch] = await shardStore(diskOf(world, 'eu')).list()
    if (made?.status !== 'fulfilled' || made.value.key === null || epoch?.record === undefined)
      throw new Error('no key')
    const sign = await signDefinition({
      sites,
      key: epoch.key,
      base: hashOf(recordCodec.encode(epoch.record)),
      message: { form: 'file', name: 'message.txt', size: message.length, sha256: hashOf(message) },
    })
    const [signed] = await joinAll(world, ['eu', 'ap'], sign, message, kms)
    if (signed?.status !== 'fulfilled') throw new Error('no signature')
    const slot = { provider: 'local', key: join(kms, 'eu.key') }
    const share = await shardStore(diskOf(world, 'eu')).reopen(epoch.key, epoch.outcome, epoch.envelope, [
      await openKmsKey(slot, { home: join(kms, 'home'), random: systemRandom }),
    ])

    const other = await newWorld(kms, 'compat abort')
    const third = await keygenDefinition({ sites, name: 'spoilt', nonce: 'aa'.repeat(16) })
    lieAsSecond(third)
    await joinAll(other, names, third, null, kms)
    const abort = [...diskOf(other, 'eu').files].find(([path]) => path.endsWith('.abort.bundle'))?.[1]

    const bundles = {
      keygen: diskOf(world, 'eu').files.get(made.value.bundle ?? ''),
      sign: diskOf(world, 'eu').files.get(signed.value.bundle ?? ''),
      abort,
    }
    const verdicts: Record<string, Expected['verdicts'][string]> = {}
    for (const [name, bytes] of Object.entries(bundles)) {
      if (bytes === undefined) throw new Error(`no ${name} bundle`)
      write(`${name}.bundle`, bytes)
      const options = { trust: 'stated' as const, evidence: protocolEvidence }
      const { verdict, checks } = await verifyBundle(await readBundle(bufferSource(bytes)), options)
      verdicts[name] = { verdict, checks: Object.fromEntries(checks.map((check) => [check.id, check.verdict])) }
    }
    for (const [name, definition] of Object.entries({ keygen, sign })) {
      write(`${name}.yaml`, definitionYaml(definition))
      write(`${name}.json`, definitionCodec.encode(definition))
    }
    const cards: string[] = []
    for (const name of names) {
      const home = await openHome(diskOf(world, name))
      cards.push(Buffer.from(await makeCard(await home.unlock(), await home.card())).toString())
    }
    write('trusted-sites.txt', `# Whom the auditor knows.\n${cards.join('')}`)
    write('message.txt', message)
    write('eu.key', readFileSync(join(kms, 'eu.key')))
    const home = [...diskOf(world, 'eu').files].filter(([path]) => !path.startsWith('bundles/'))
    tar(join(temporary, 'home'), new Map(home), join(out, 'home.tar'))

    // What stands under a passphrase has a form of its own.
    const passphrase = () => Promise.resolve(new Secret(utf8(PASSPHRASE)))
    const locked = await memoryHome('locked', { passphrase: await passphrase() })
    tar(join(temporary, 'locked'), locked.disk.files, join(out, 'locked-home.tar'))
    const sealed = { provider: 'local', key: join(kms, 'locked.key') }
    await ensureKmsKey(sealed, { home: join(kms, 'home'), random: systemRandom, passphrase })
    write('locked.key', readFileSync(join(kms, 'locked.key')))

    const expected: Expected = {
      keygen: ceremonyId(keygen),
      sign: ceremonyId(sign),
      key: epoch.key,
      publicKey: made.value.key.publicKey,
      signature: signed.value.signature ?? '',
      envelope: epoch.envelope,
      share: hashOf(share.reveal()),
      verdicts,
    }
    write('expected.json', `${JSON.stringify(expected, null, 2)}\n`)
  } catch (error) {
    rmSync(out, { recursive: true })
    throw error
  } finally {
    rmSync(temporary, { recursive: true })
  }
}
