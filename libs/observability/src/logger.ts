import { trace } from '@opentelemetry/api';
import { type Logger as Pino, pino } from 'pino';
import { redact } from './redact.js';

export type LogFacts = Readonly<Record<string, unknown>>;

/**
 * Structured logs. The message is constant and says what happened; all that varies is a fact:
 * `log.info('volume placed', { volumeId, cardId })`. An error goes as the fact `error`.
 */
export interface Logger {
  debug(message: string, facts?: LogFacts): void;
  info(message: string, facts?: LogFacts): void;
  warn(message: string, facts?: LogFacts): void;
  error(message: string, facts?: LogFacts): void;
  /** A logger that adds these facts to every line. */
  with(facts: LogFacts): Logger;
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type LogLevel = (typeof logLevels)[number];

/** Takes whole lines. Tests collect them; the default is standard error. */
export interface LogSink {
  write(line: string): void;
}

/** Names that every line has; a fact called so gets an underscore, since JSON with a name twice is read differently by each reader. */
const ownFields = new Set(['time', 'level', 'service', 'component', 'message', 'traceId', 'spanId']);

let service = 'flexbso';
let root: Pino | undefined;

/** Which process the lines are from. */
export function nameLogsAfter(serviceName: string): void {
  service = serviceName;
}

/** Sends all lines to `sink`, or with undefined back to standard error, where LOG_LEVEL holds. */
export function logTo(sink: LogSink | undefined, level: LogLevel = levelFromEnvironment()): void {
  root = sink === undefined ? undefined : makeRoot(sink, level);
}

/**
 * The logger of a component. JSON lines on standard error: time, level, service, component, message, the facts, and
 * the ids of the current trace and span. LOG_LEVEL sets the level (default `info`). Secrets are recognised by their
 * field's name and replaced (`redact.ts`). May be called when a module loads, before `startObservability`.
 */
export function logger(component: string): Logger {
  return withFacts({ component }, {});
}

function withFacts(own: { readonly component: string }, kept: LogFacts): Logger {
  const write =
    (level: Exclude<LogLevel, 'silent'>) =>
    (message: string, facts: LogFacts = {}) => {
      const pinoLogger = (root ??= makeRoot(pino.destination({ fd: 2, sync: true }), levelFromEnvironment()));
      // Copying and redacting costs more than the line itself: not for lines that nobody gets.
      if (!pinoLogger.isLevelEnabled(level)) return;
      pinoLogger[level]({ service, ...own, ...traceFacts(), ...loggable({ ...kept, ...facts }) }, message);
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    with: (facts) => withFacts(own, { ...kept, ...facts }),
  };
}

/** Synchronous, so that the last lines before a crash are there: they are the ones that count. */
function makeRoot(sink: LogSink, level: LogLevel): Pino {
  return pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  );
}

function levelFromEnvironment(): LogLevel {
  const asked = process.env['LOG_LEVEL'] ?? 'info';
  const level = logLevels.find((known) => known === asked);
  if (level === undefined) throw new Error(`LOG_LEVEL is "${asked}"; it may be ${logLevels.join(', ')}`);
  return level;
}

function traceFacts(): { traceId: string; spanId: string } | Record<string, never> {
  const spanContext = trace.getActiveSpan()?.spanContext();
  return spanContext === undefined ? {} : { traceId: spanContext.traceId, spanId: spanContext.spanId };
}

function loggable(facts: LogFacts): LogFacts {
  const copy = redact(facts);
  const entries = typeof copy === 'object' && copy !== null ? Object.entries(copy) : [];
  return Object.fromEntries(entries.map(([name, value]) => [ownFields.has(name) ? `${name}_` : name, value]));
}
