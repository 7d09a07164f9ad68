/**
 * What an agent needs of the bus, without JetStream and without Nest, so that its bundle stays small.
 * Everything here is also in the package's main entry.
 */
export { Bus, connectBus, type BusOptions, type Credentials } from './connection.js';
export { MIN_SERVER_VERSION, ServerTooOldError } from './server-version.js';
export type { BusStatus, BusStatusListener } from './status.js';
export { agentOf, inboxPrefixOf, principalName, type AgentAddress, type Principal } from './principal.js';
export { backoffMs, type Backoff } from './backoff.js';
export { replyEnvelopeSchema, type ReplyEnvelope, type RequestSchemas } from './envelope.js';
export { request, type RequestOptions } from './request.js';
export { askDown, askUp, hearDown, sendDown, sendUp, type Addressed, type HearDown } from './down.js';
export { readSeedFile, SeedFileError } from './identity/seed-file.js';
export {
  createIdentity,
  createSealingKey,
  open,
  publicKeyOf,
  seal,
  SealBrokenError,
  sealingPublicKeyOf,
  type KeyPair,
} from './identity/keys.js';
