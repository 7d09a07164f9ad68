export { installedTools, ToolsNotInstalledError, type InstalledTools } from './installed-tools.js';
