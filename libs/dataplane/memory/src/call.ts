import type { CardStep, PoolStep } from '@flexbso/contracts';

/** One call of a port, as hooks see it. */
export interface Call {
  readonly plane: 'card' | 'pool';
  /** The card or pool. */
  readonly ownerId: string;
  readonly method:
    | 'discover'
    | 'list'
    | 'observe'
    | 'endedInOrder'
    | 'openLegs'
    | 'perform'
    | 'undo'
    | 'measure'
    | 'record'
    | 'served';
  /** The volume or leg. */
  readonly subjectId: string | null;
  readonly step: CardStep | PoolStep | null;
}

/**
 * Where faults are put in. A hook may throw (the call fails before, or its answer is lost after it was done),
 * never resolve (it hangs), or lie.
 */
export interface CallHooks {
  before?(call: Call): Promise<void> | void;
  after?(call: Call): Promise<void> | void;
  /** True: the call answers success and does nothing. */
  lies?(call: Call): boolean;
}

/** Does `work` between the hooks. */
export async function hooked<Result>(
  hooks: CallHooks,
  call: Call,
  work: () => Promise<Result> | Result,
): Promise<Result> {
  await hooks.before?.(call);
  const result = await work();
  await hooks.after?.(call);
  return result;
}

/** Does `act` between the hooks, unless they lie: then it answers success and does nothing. */
export function hookedAct(hooks: CallHooks, call: Call, act: () => Promise<void> | void): Promise<void> {
  return hooked(hooks, call, () => (hooks.lies?.(call) ? undefined : act()));
}

/** Time as the driver sees it; a virtual one makes copies last without waiting. */
export interface MemoryClock {
  nowMs(): number;
  /** Resolves after `durationMs`, or as soon as `signal` is aborted. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}
