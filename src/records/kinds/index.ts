import { emergency } from './emergency.ts'
import { keygen } from './keygen.ts'
import { readmit } from './readmit.ts'
import { reconstruct } from './reconstruct.ts'
import { refresh } from './refresh.ts'
import { repair } from './repair.ts'
import { reshare } from './reshare.ts'
import { rewrap } from './rewrap.ts'
import { sign } from './sign.ts'

/** Every kind of ceremony that there is. Ceremony, audit and cli have tables with the same keys. */
export const recordKinds = { keygen, sign, refresh, reshare, repair, reconstruct, readmit, emergency, rewrap }

export type Kind = keyof typeof recordKinds
