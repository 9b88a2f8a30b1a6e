import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { approvalsFolder } from '../../src/ceremony/paths.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import { ceremonyId, type Definition } from '../../src/records/definition.ts'
import { definitionYaml, readDefinition } from '../../src/records/definition-yaml.ts'
import { approveDefinition } from '../../src/site/approve.ts'
import { type OfKeyFlags, type PlanMade, planNewKey, planSignature } from '../../src/site/planning.ts'
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

/** Makes the home of an approver beside them; its identity. */
export const makeApprover = async (homes: RealHomes, name: string): Promise<string> => {
  const none = { kms: [], stores: [], jurisdiction: undefined, control: undefined }
  const passphrases = { passphrase: undefined, kmsPassphrase: undefined }
  return (await createIdentity({ home: homes.home(name), name, role: 'approver', ...none, ...passphrases })).identity
}

export const cardOf = async (homes: RealHomes, name: string): Promise<Uint8Array> =>
  utf8(await readOwnCard(homes.home(name), none))

type Deadlines = Definition['deadlines']

/** Writes a plan with these deadlines, for joins again and again. */
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
  const cards = await Promise.all(names.map((name) => cardOf(homes, name)))
  const { yaml } = await planNewKey({ ...common, protocol: 'frost-ed25519', threshold: 2, cards, relays }, Date.now())
  const definition = await write(homes, 'keygen.yaml', Buffer.from(yaml), deadlines)
  await approveIn(homes, names, definition, undefined)
  return definition
}

/** Plans a signature by some of the sites into sign.yaml and lets them approve it. */
export const planSignIn = async (
  homes: RealHomes,
  signers: readonly string[],
  key: string,
  relays: readonly string[],
  deadlines: Deadlines,
  /** Nobody else may sign. */
  only = false,
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
      signers: only ? signers : [],
      cards: [],
      relays,
    },
    Date.now(),
  )
  const definition = await write(homes, 'sign.yaml', Buffer.from(yaml), deadlines)
  await approveIn(homes, signers, definition, new Uint8Array(await readFile(message)))
  return definition
}

/** Approvers approve it, and their approvals are carried to these sites. */
export const approversApproveIn = async (
  homes: RealHomes,
  approvers: readonly string[],
  sites: readonly string[],
  definition: Definition,
): Promise<void> => {
  await approveIn(homes, approvers, definition, undefined)
  const folder = approvalsFolder(ceremonyId(definition))
  for (const name of approvers)
    for (const site of sites)
      await cp(join(homes.home(name), folder, `${name}.dsse`), join(homes.home(site), folder, `${name}.dsse`))
}

export const approveIn = async (
  homes: RealHomes,
  names: readonly string[],
  definition: Definition,
  message: Uint8Array | undefined,
): Promise<void> => {
  for (const name of names)
    await approveDefinition({ home: homes.home(name), definition, message, passphrase: none, trust: undefined })
}

/** Plans a ceremony of a key at the home that the flags name. */
export type Planner = (flags: OfKeyFlags) => Promise<PlanMade>

/** Plans a ceremony of the key at the first of these sites into KIND.yaml and lets all approve it. */
export const planOfKeyIn = async (
  homes: RealHomes,
  names: readonly string[],
  key: string,
  relays: readonly string[],
  deadlines: Deadlines,
  plan: Planner,
): Promise<Definition> => {
  const { name: _, ...rest } = common
  const { yaml, shown } = await plan({ ...rest, home: homes.home(names[0] as string), key, cards: [], relays })
  const definition = await write(homes, `${shown.definition.kind}.yaml`, yaml, deadlines)
  await approveIn(homes, names, definition, undefined)
  return definition
}
