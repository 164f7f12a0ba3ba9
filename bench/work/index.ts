import { listing } from './listing'
import { processes } from './process'
import { reading } from './reading'
import { upkeep } from './upkeep'
import type { Work } from './work'
import { writing } from './writing'

/** In the order of the tables. What leaves the prepared stores as they are comes first. */
export const WORKS: readonly Work[] = [...reading, ...listing, ...processes, ...writing, ...upkeep]
