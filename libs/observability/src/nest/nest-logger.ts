import type { LoggerService } from '@nestjs/common';
import { logger, type LogFacts, type Logger } from '../logger.js';

/**
 * Nest's own messages in our format: `NestFactory.create(AppModule, { logger: new NestLogger() })`. Nest's last
 * argument names the context (`RoutesResolver`), which becomes the component. What Nest only tells developers
 * (routes mapped, modules initialised) is `debug`.
 */
export class NestLogger implements LoggerService {
  log(message: unknown, ...parameters: unknown[]): void {
    write('debug', message, parameters);
  }
  warn(message: unknown, ...parameters: unknown[]): void {
    write('warn', message, parameters);
  }
  error(message: unknown, ...parameters: unknown[]): void {
    write('error', message, parameters);
  }
  fatal(message: unknown, ...parameters: unknown[]): void {
    write('error', message, parameters);
  }
  debug(message: unknown, ...parameters: unknown[]): void {
    write('debug', message, parameters);
  }
  verbose(message: unknown, ...parameters: unknown[]): void {
    write('debug', message, parameters);
  }
}

function write(level: Exclude<keyof Logger, 'with'>, message: unknown, parameters: readonly unknown[]): void {
  const last = parameters.at(-1);
  const named = typeof last === 'string' && !last.includes('\n');
  const details = named ? parameters.slice(0, -1) : parameters;
  logger(named ? last : 'nest')[level](textOf(message), factsOf(message, details));
}

function textOf(message: unknown): string {
  if (typeof message === 'string') return message;
  return message instanceof Error ? message.message : 'nest says';
}

function factsOf(message: unknown, details: readonly unknown[]): LogFacts {
  const subject = typeof message === 'string' ? {} : { [message instanceof Error ? 'error' : 'said']: message };
  return { ...subject, ...(details.length > 0 ? { details } : {}) };
}
