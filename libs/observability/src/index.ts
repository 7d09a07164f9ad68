export { type HealthServer, type HealthServerOptions, type Readiness, startHealthServer } from './health-server.js';
export { type LogFacts, logger, type Logger, type LogSink, logTo } from './logger.js';
export { isSecretName, redact } from './redact.js';
export { currentTraceId, recordFailure, span, type SpanOptions, traceHeaders, withTraceHeaders } from './span.js';
export { type Observability, type ObservabilityOptions, startObservability } from './start-observability.js';
