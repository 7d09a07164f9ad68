export { readTelemetryConfig, type TelemetryConfig, telemetryConfigSchema } from './config.js';
export { type RunningTelemetry, startTelemetry } from './telemetry.js';
