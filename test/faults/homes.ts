import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Definition } from '../../src/records/definition.ts'
import { definitionYaml, readDefinition } from '../../src/records/definition-yaml.ts'
import { approveDefinition } from '../../src/site/approve.ts'
import { planNewKey, planRotation, planSignature } from '../../src/site/planning.ts'
import { createIdentity, readOwnCard } from '../../src/site/setup.ts'

const none = async (): Promise<never> => {
  throw new Error('homes of tests have no passphrase')
}

/** Homes on the real disk, for processes of their own. */
export interface RealHomes {
  readonly folder: string
  home(name: string): string
  /** The same homes again, in another folder. */
  copy(to: string): Promise<RealHomes>
  remove(): Promise<void>
}

const homesIn = (folder: string): RealHomes => ({
  folder,
  home: (name) => join(folder, name),
  async copy(to) {
    await cp(folder, join(folder, '..', to), { recursive: true, preserveTimestamps: true })
    return homesIn(join(folder, '..', to))
  },
  remove: () => rm(folder, { recursive: true, force: true }),
})

export const makeHomes = async (names: readonly string[]): Promise<RealHomes & { readonly root: string }> => {
  const root = await mkdtemp(join(tmpdir(), 'quorate-faults-'))
  const folder = join(root, 'first')
  await mkdir(folder, { mode: 0o700 })
  await mkdir(join(root, 'kms'), { mode: 0o700 })
  for (const name of names)
    await createIdentity({
      home: join(folder, name),
      name,
      role: 'site',
      kms: [`local:${join(root, 'kms', `${name}.key`)}`],
      stores: ['home'],
      jurisdiction: 'test',
      control: `${name}/${name}/${name}`,
      passphrase: undefined,
      kmsPassphrase: undefined,
    })
  return { ...homesIn(folder), root }
}

type Deadlines = Definition['deadlines']

const write = async (homes: RealHomes, file: string, yaml: Uint8Array, deadlines: Deadlines): Promise<Definition> => {
  const planned = await readDefinition(yaml)
  const definition = { ...planned, deadlines, attempts: 12 }
  await writeFile(join(homes.folder, file), definitionYaml(definition))
  return definition
}

const common = { name: 'faults', opens: undefined, closes: undefined, approvers: [] }

/** Plans a 2-of-n keygen into keygen.yaml and lets all approve it. */
export const planKeygenIn = async (
  homes: RealHomes,
  names: readonly string[],
  relays: readonly string[],
  deadlines: Deadlines,
): Promise<Definition> => {
  const cards = await Promise.all(names.map((name) => readOwnCard(homes.home(name), none)))
  const { yaml } = await planNewKey(
    { ...common, protocol: 'frost-ed25519', threshold: 2, cards: cards.map((card) => Buffer.from(card)), relays },
    Date.now(),
  )
  const definition = await write(homes, 'keygen.yaml', Buffer.from(yaml), deadlines)
  await approveIn(homes, names, definition, undefined)
  return definition
}

/** Plans a signature by two of the sites into sign.yaml and lets them approve it. */
export const planSignIn = async (
  homes: RealHomes,
  signers: readonly string[],
  key: string,
  relays: readonly string[],
  deadlines: Deadlines,
): Promise<Definition> => {
  const message = join(homes.folder, 'message.txt')
  await writeFile(message, 'pay nobody\n')
  const { yaml } = await planSignature(
    {
      ...common,
      home: homes.home(signers[0] as string),
      key,
      message,
      messageHex: undefined,
      empty: false,
      digest: undefined,
      blind: undefined,
      signers: [],
      cards: [],
      relays,
    },
    Date.now(),
  )
  const definition = await write(homes, 'sign.yaml', Buffer.from(yaml), deadlines)
  await approveIn(homes, signers, definition, new Uint8Array(await readFile(message)))
  return definition
}

const approveIn = async (
  homes: RealHomes,
  names: readonly string[],
  definition: Definition,
  message: Uint8Array | undefined,
): Promise<void> => {
  for (const name of names)
    await approveDefinition({ home: homes.home(name), definition, message, passphrase: none, trust: undefined })
}

/** Plans new shares of the key into refresh.yaml and lets all approve it. */
export const planRefreshIn = async (
  homes: RealHomes,
  names: readonly string[],
  key: string,
  relays: readonly string[],
  deadlines: Deadlines,
): Promise<Definition> => {
  const { name: _, ...rest } = common
  const { yaml } = await planRotation(
    { ...rest, home: homes.home(names[0] as string), key, cards: [], relays },
    Date.now(),
  )
  const definition = await write(homes, 'refresh.yaml', yaml, deadlines)
  await approveIn(homes, names, definition, undefined)
  return definition
}
