export { type GatewayConfig, gatewayConfigSchema, readGatewayConfig } from './config.js';
export { type GatewayOptions, type RunningGateway, startGateway } from './gateway.js';
export { openApiDocument } from './openapi/document.js';
export { type ApiToken, apiTokenSchema, readTokenFile, TokenFileError } from './tokens/token-file.js';
