import {
  cardIdSchema,
  type CardDesired,
  type CardReport,
  cardReportSchema,
  type DesiredQuestion,
  desiredQuestionSchema,
  type PoolDesired,
  type PoolReport,
  poolReportSchema,
  problemOfParse,
  ProblemError,
} from '@flexbso/contracts';
import { BusContext, FromAgents } from '@flexbso/messaging';
import { Controller, Inject } from '@nestjs/common';
import type { ReportReply } from '../reports/agent-requests.js';
import { Scheduler } from '../scheduler.js';

/** What agents ask of the scheduler and report to it. Who speaks is the id in the subject. */
@Controller()
export class AgentsController {
  readonly #scheduler: Scheduler;

  constructor(@Inject(Scheduler) scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  @FromAgents(['card', 'pool'], 'desired', desiredQuestionSchema)
  desired(question: DesiredQuestion, context: BusContext): Promise<CardDesired | PoolDesired> {
    return this.#scheduler.agents.answer(context.requireSender().role, idOf(context), question);
  }

  @FromAgents('card', 'report', cardReportSchema)
  cardReport(report: CardReport, context: BusContext): Promise<ReportReply> {
    return this.#scheduler.agents.hearCard(idOf(context), report);
  }

  @FromAgents('pool', 'report', poolReportSchema)
  poolReport(report: PoolReport, context: BusContext): Promise<ReportReply> {
    return this.#scheduler.agents.hearPool(idOf(context), report);
  }
}

/** A subject's token may be longer than an id may be. */
function idOf(context: BusContext): string {
  const parsed = cardIdSchema.safeParse(context.requireSender().id);
  if (parsed.success) return parsed.data;
  throw new ProblemError(problemOfParse(`the id in ${context.subject}`, parsed.error));
}
