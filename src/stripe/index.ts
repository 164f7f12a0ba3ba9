export type { ApiKey, StripeAppManifest } from './api-keys'
export { createStripeApp, type StripeApp, type StripeAppOptions } from './app'
export type { AutoPaging } from './auto-paging'
export { type RawStripeError, type StripeErrorClasses, StripeSecretsError } from './client-errors'
export type { Fault } from './faults'
export {
  type FixtureClock,
  type FixtureRequest,
  type StripeFixture,
  type StripeFixtureConfig,
  type StripeFixtureOptions,
  startStripeFixture,
} from './fixture'
export { type Connection, type HttpServer, type ListenOptions, listen, type RequestHandler } from './listen'
export type { LoggedParams, RequestLogEntry } from './request-log'
export type { Seed, SeedAccount, SeedSecret, SeedSecrets } from './seed'
export {
  type StripeAnswer,
  type StripeCallOptions,
  type StripeCreateParams,
  type StripeFindParams,
  type StripeListParams,
  type StripeSecrets,
  type StripeSecretsOptions,
  stripeSecrets,
} from './stripe-secrets'
