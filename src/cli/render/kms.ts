import { QuorateError } from '../../lib/errors.ts'
import type { KmsKeyChecked, KmsKeyNamed } from '../../site/kms-doctor.ts'
import type { StoreChecked, StoreNamed } from '../../site/store-doctor.ts'
import type { Line, Lines } from '../term.ts'

const keyLine = ({ site, key, region, protection }: KmsKeyNamed): Line => ({
  label: site,
  text: key,
  note: [region, protection].filter((one) => one !== null).join('; '),
  noteTone: protection === null ? 'good' : 'warn',
})

const storeLine = ({ site, store, known, region, host }: StoreNamed): Line => ({
  label: site,
  text: store,
  note: known ? ['store', region, host].filter((one) => one !== null).join('; ') : 'the name of no store',
  noteTone: known && host === null ? 'good' : 'warn',
})

export const kmsListView = ({
  keys,
  stores,
}: {
  readonly keys: readonly KmsKeyNamed[]
  readonly stores: readonly StoreNamed[]
}): Lines => [...keys.map(keyLine), ...stores.map(storeLine)]

type Check = (KmsKeyChecked | StoreChecked)['checks'][number]

/** `name` stands right above, and is left out below it. */
const checkLines = (checks: readonly Check[], name: string): Line[] =>
  checks.flatMap(({ check, state, said, hint }): Line[] => [
    {
      label: `  ${check}`,
      text: said.replace(`the ${name} `, 'it '),
      note: state,
      noteTone: state === 'ok' ? 'good' : 'warn',
    },
    ...(hint === null ? [] : [{ label: '', text: hint }]),
  ])

export const kmsDoctorView = ({
  keys,
  stores,
}: {
  readonly keys: readonly KmsKeyChecked[]
  readonly stores: readonly StoreChecked[]
}): Lines => [
  ...keys.flatMap((one) => [keyLine(one), ...checkLines(one.checks, `KMS key ${one.key}`)]),
  ...stores.flatMap((one) => [storeLine(one), ...checkLines(one.checks, `store ${one.store}`)]),
]

const failed = ({ checks }: { readonly checks: readonly Check[] }): boolean =>
  checks.some(({ state }) => state === 'failed')

const counted = (bad: number, all: number, what: string): string => `${bad} of ${all} ${what}`

/** The answer is no where a check failed. */
export const kmsFaultOf = (
  keys: readonly KmsKeyChecked[],
  stores: readonly StoreChecked[],
): QuorateError | undefined => {
  const [badKeys, badStores] = [keys.filter(failed), stores.filter(failed)]
  const told = [
    ...(badKeys.length === 0 ? [] : [counted(badKeys.length, keys.length, 'KMS keys')]),
    ...(badStores.length === 0 ? [] : [counted(badStores.length, stores.length, 'stores')]),
  ]
  if (told.length === 0) return undefined
  return new QuorateError(
    'E_REFUSED',
    `${told.join(' and ')} ${badKeys.length + badStores.length === 1 ? 'does' : 'do'} not do what a share needs`,
    'each failed check above says who mends it; then run the same command again before anything is sealed',
    { keys: badKeys.map(({ key }) => key), stores: badStores.map(({ store }) => store) },
  )
}
