import { type AgentRole, type DownVerb, ProblemError, type RpcService } from '@flexbso/contracts';
import { copyOf } from '@flexbso/stack';
import type { Faults } from '../faults/faults.js';
import type { SimProcess } from '../processes/sim-process.js';
import type { Chance } from '../time/chance.js';
import type { Timeline } from '../time/timeline.js';

/** Who asks: an agent by its subject, or a service. */
export type Sender = { readonly role: AgentRole; readonly id: string } | null;

export interface Question {
  readonly sender: Sender;
  readonly verb: string;
  readonly payload: unknown;
}

type Answer = (question: Question) => Promise<unknown>;
type Heard = (payload: unknown) => Promise<unknown>;

/** Who answers for a service. */
export interface Serving {
  readonly process: SimProcess;
  readonly answer: Answer;
  /** Whether it may still: it neither takes a question nor gives an answer otherwise. */
  readonly isServing: () => boolean;
}

/** Of one message. */
interface Way {
  readonly from: string;
  readonly to: string;
  /** Whom it goes to is there: what happens to it has an effect. */
  readonly isHeard: boolean;
  readonly isAnswer: boolean;
}

interface Listener {
  readonly process: SimProcess;
  readonly verbs: Map<DownVerb, Heard>;
  readonly onReconnect: (() => void)[];
}

/** A loopback's delay, and those of messages that are late, in ms. */
const LATENCY = { least: 1, most: 4 };
const REORDERED = { least: 5, most: 60 };
const DELAYED = { least: 500, most: 9_000 };
const AWAY = { least: 1_000, most: 12_000 };

/** The bus: carries questions, answers and nudges, and loses, doubles, delays and reorders them when it is told to. */
export class SimBus {
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #faults: Faults;
  readonly #services = new Map<RpcService, Serving[]>();
  readonly #agents = new Map<string, Listener>();
  #awayUntilMs = 0;
  /** Processes of services that mind whether they are connected. */
  readonly #onAway = new Map<SimProcess, (isAway: boolean) => void>();

  readonly #onDoubled: (from: string) => void;

  /** @param parts with who is told that a message of whom arrives twice */
  constructor(parts: { timeline: Timeline; chance: Chance; faults: Faults; onDoubled: (from: string) => void }) {
    this.#onDoubled = parts.onDoubled;
    this.#timeline = parts.timeline;
    this.#chance = parts.chance;
    this.#faults = parts.faults;
  }

  /** One that stood still while it was starting serves later than who took over from it: the order says nothing. */
  serve(service: RpcService, serving: Serving): void {
    const alive = (this.#services.get(service) ?? []).filter(({ process }) => process.isAlive);
    this.#services.set(service, [...alive, serving]);
  }

  /** Tells a service's process that nothing reaches it, and that it is reached again. */
  whenAway(process: SimProcess, listener: (isAway: boolean) => void): void {
    this.#onAway.set(process, (isAway) => void process.running().then(() => listener(isAway)));
    process.onEnd(() => this.#onAway.delete(process));
    if (this.#timeline.nowMs < this.#awayUntilMs) listener(true);
  }

  listen(role: AgentRole, id: string, process: SimProcess): Listener {
    const listener = { process, verbs: new Map<DownVerb, Heard>(), onReconnect: [] };
    this.#agents.set(`${role} ${id}`, listener);
    return listener;
  }

  /** @throws ProblemError `deadline-exceeded`, or what the service refused with */
  ask(asker: SimProcess, service: RpcService, question: Question, timeoutMs: number): Promise<unknown> {
    const known = this.#services.get(service) ?? [];
    const serving = known.findLast(({ process, isServing }) => process.isAlive && isServing()) ?? known.at(-1);
    return this.#exchange(
      asker,
      { to: serving?.process ?? null, timeoutMs, what: `${service} ${question.verb}` },
      () => {
        if (serving === undefined) throw new ProblemError({ code: 'unavailable', detail: `nobody serves ${service}` });
        return answered(serving, { ...question, payload: carried(question.payload) });
      },
    );
  }

  /** Asks an agent. @throws ProblemError as `ask` does */
  askAgent(asker: SimProcess, to: { role: AgentRole; id: string }, verb: DownVerb, payload: unknown): Promise<unknown> {
    const listener = this.#agents.get(`${to.role} ${to.id}`);
    const heard = listener?.verbs.get(verb);
    return this.#exchange(asker, { to: listener?.process ?? null, timeoutMs: 5_000, what: verb }, () => {
      if (!heard) throw new ProblemError({ code: 'unavailable', detail: `${to.role} ${to.id} does not hear ${verb}` });
      return heard(carried(payload));
    });
  }

  /** Sends and forgets. */
  tell(teller: SimProcess, to: { role: AgentRole; id: string }, verb: DownVerb, payload: unknown): void {
    const message = carried(payload);
    const listening = this.#agents.get(`${to.role} ${to.id}`)?.process ?? null;
    const way = { from: teller.name, to: `agent ${to.role} ${to.id}`, isHeard: listening?.isAlive === true };
    this.#send({ ...way, isAnswer: false }, () => {
      const listener = this.#agents.get(`${to.role} ${to.id}`);
      const heard = listener?.verbs.get(verb);
      if (heard && listener?.process.isAlive) void listener.process.running().then(() => heard(message));
    });
  }

  /** Nothing is carried for a while; then every agent learns that it is connected again. */
  goAway(): void {
    const forMs = this.#chance.int(AWAY.least, AWAY.most);
    this.#awayUntilMs = this.#timeline.nowMs + forMs;
    this.#tellServices(true);
    this.#timeline.after(forMs, () => {
      this.#tellServices(false);
      for (const { process, onReconnect } of this.#agents.values())
        if (process.isAlive && !process.isStopped) for (const act of onReconnect) act();
    });
  }

  #tellServices(isAway: boolean): void {
    for (const tell of this.#onAway.values()) tell(isAway);
  }

  #exchange(
    asker: SimProcess,
    { to, timeoutMs, what }: { to: SimProcess | null; timeoutMs: number; what: string },
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const end = (settle: () => void) => void asker.running().then(settle);
    const takeBack = this.#timeline.after(timeoutMs, () =>
      end(() =>
        reject(new ProblemError({ code: 'deadline-exceeded', detail: `${what}: no answer in ${timeoutMs} ms` })),
      ),
    );
    const back = (settle: () => void) =>
      this.#send({ from: to?.name ?? 'nobody', to: asker.name, isHeard: asker.isAlive, isAnswer: true }, () => {
        takeBack();
        end(settle);
      });
    const way = { from: asker.name, to: to?.name ?? 'nobody', isHeard: to?.isAlive === true };
    this.#send({ ...way, isAnswer: false }, () => {
      if (to !== null && !to.isAlive) return;
      const answering = (to === null ? Promise.resolve() : to.running()).then(work);
      answering.then(
        (reply) => back(() => resolve(carried(reply))),
        (error: unknown) => back(() => reject(asProblem(error))),
      );
    });
    return promise;
  }

  #send(way: Way, deliver: () => void): void {
    const isAway = (): boolean => this.#timeline.nowMs < this.#awayUntilMs;
    if (!isAway() && this.#strikes('bus-away', way)) this.goAway();
    if (isAway() || this.#strikes('message-lost', way)) return;
    // Nobody waits for an answer any more once it is there.
    const times = !way.isAnswer && this.#strikes('message-doubled', way) ? 2 : 1;
    if (times === 2) this.#onDoubled(way.from);
    for (let time = 0; time < times; time += 1) this.#timeline.after(this.#latencyMs(way), deliver);
  }

  #latencyMs(way: Way): number {
    const range = this.#strikes('message-delayed', way)
      ? DELAYED
      : this.#strikes('message-reordered', way)
        ? REORDERED
        : LATENCY;
    return this.#chance.int(range.least, range.most);
  }

  #strikes(
    kind: 'bus-away' | 'message-lost' | 'message-doubled' | 'message-delayed' | 'message-reordered',
    { from, to, isHeard }: Way,
  ): boolean {
    if (!isHeard) return false;
    // A message is of the agent that it comes from or goes to: services take no steps, and clients neither.
    const agent = [to, from].find((name) => name.startsWith('agent '));
    return agent === undefined ? this.#faults.strikes(kind, from, null) : this.#faults.strikes(kind, agent);
  }
}

/** Never resolves when it is not said any more. */
async function answered({ answer, isServing }: Serving, question: Question): Promise<unknown> {
  const silence = new Promise<never>(() => undefined);
  if (!isServing()) return silence;
  try {
    const reply = await answer(question);
    return isServing() ? reply : await silence;
  } catch (error) {
    if (isServing()) throw error;
    return silence;
  }
}

/** As on a wire: nothing that one side changes is changed for the other. */
function carried(payload: unknown): unknown {
  return copyOf(payload);
}

function asProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  return new ProblemError({ code: 'internal', detail: String(error) });
}
