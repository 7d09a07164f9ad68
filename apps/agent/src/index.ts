/** The agent's deciding code with its ports, for whoever runs it in another process than its own (simulations). */
export { Agent, type AgentPorts, type AgentTimings, type Identity, type ReportTo } from './agent.js';
export { CardRole, type CardRolePorts } from './card/card-role.js';
export { type Session, nextSession } from './identity/session.js';
export { type AgentState, StateKeeper, cardStateSchema, poolStateSchema } from './link/agent-state.js';
export { PoolRole, type PoolRolePorts } from './pool/pool-role.js';
export { type Addressed, type AgentBus, type Schemas } from './ports/bus.js';
export { type Clock, systemClock } from './ports/clock.js';
export { type Journal } from './ports/journal.js';
export { type AgentLog } from './ports/log.js';
export { type Randomness, systemRandomness } from './ports/randomness.js';
export { type Sealer } from './ports/sealer.js';
export { type ValueStore } from './ports/store.js';
export { MemoryJournal, MemoryStore } from './testing/memory-stores.js';
