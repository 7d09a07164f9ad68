/** Identities and the server's configuration, for what sets a bus up; without Nest and JetStream. */
export { makeIdentities, readUsers, seedFileOf, type StoredIdentity } from './identity/make-identities.js';
export { permissionsOf, type Permissions } from './server/permissions.js';
export { natsServerConfig, type BusUser, type NatsServerConfig } from './server/server-config.js';
