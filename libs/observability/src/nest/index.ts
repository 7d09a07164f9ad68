export { NestLogger } from './nest-logger.js';
export { TracingInterceptor } from './tracing-interceptor.js';
