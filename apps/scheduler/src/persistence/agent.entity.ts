import type { AgentRole } from '@flexbso/contracts';
import { bigintColumn, instantColumn, jsonColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';
import type { AgentRecord } from '../agents/agent-record.js';

@Entity('agent_revision')
export class AgentRow implements AgentRecord {
  @Column({ type: 'text', primary: true })
  role!: AgentRole;

  @Column({ type: 'text', primary: true })
  agentId!: string;

  @bigintColumn()
  revision!: number;

  @bigintColumn()
  seenRevision!: number;

  @Column({ type: 'text', nullable: true })
  sessionId!: string | null;

  @bigintColumn()
  sessionNumber!: number;

  @Column({ type: 'text', nullable: true })
  diverged!: string | null;

  @Column({ type: 'text', nullable: true })
  follows!: string | null;

  @jsonColumn({ nullable: true })
  takesOver!: AgentRecord['takesOver'];
}

@Entity('desired_entry')
export class DesiredRow {
  @Column({ type: 'text', primary: true })
  role!: AgentRole;

  @Column({ type: 'text', primary: true })
  agentId!: string;

  @Column({ type: 'text', primary: true })
  itemId!: string;

  @bigintColumn()
  revision!: number;

  @Column('boolean')
  tombstone!: boolean;

  @jsonColumn()
  item!: unknown;
}

/** One row: which life of the database this is. */
@Entity('incarnation')
export class IncarnationRow {
  @Column({ type: 'integer', primary: true })
  one!: number;

  @Column('text')
  incarnation!: string;

  @instantColumn()
  createdAtMs!: number;
}
