export { installedTools, ToolsNotInstalledError, type InstalledTools } from './installed-tools.js';
export { type PostgresServer, startPostgres } from './postgres.js';
