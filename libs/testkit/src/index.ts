export { type BtrfsImage, mountBtrfs, mountsBeneath, unmount } from './btrfs.js';
export { installedTools, ToolsNotInstalledError, type GuestTools, type InstalledTools } from './installed-tools.js';
export { type PostgresServer, postgresUser, startPostgres } from './postgres.js';
export { natsServerPath, startNats, type StartNats, type TestNats } from './nats/start-nats.js';
export { ServiceProcess, type ServiceRole } from './service-process.js';
export { eventually } from './eventually.js';
export { SteppedClock } from './stepped-clock.js';
