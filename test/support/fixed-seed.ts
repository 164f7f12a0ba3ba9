import fc from 'fast-check'

/** A setup file for runs that must come out the same every time. What fails is not reduced to a smaller example. */
fc.configureGlobal({ seed: 20_261_128, endOnFailure: true })
