import { bigintColumn, instantColumn, jsonColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';

/** A card's or pool's agent as inventory last knew it. One table: what differs between the roles is in `registration`. */
@Entity('agents')
export class AgentRow {
  @Column({ type: 'text', primary: true })
  role!: string;

  @Column({ type: 'text', primary: true })
  id!: string;

  /** Unique within a role, so that no two identities claim one piece of hardware. */
  @Column('text')
  serial!: string;

  /** As the agent sent it; parsed by its schema when read. */
  @jsonColumn()
  registration!: unknown;

  @bigintColumn()
  revision!: number;

  @instantColumn({ nullable: true })
  unreachableSinceMs!: number | null;

  /** Beside the reason, for a row written before reasons were kept. */
  @Column('boolean')
  quarantined!: boolean;

  @Column({ type: 'text', nullable: true })
  quarantineReason!: string | null;

  @Column({ type: 'text', nullable: true })
  offeredSealingKey!: string | null;

  @Column('boolean')
  cordoned!: boolean;

  @instantColumn()
  registeredAtMs!: number;

  /** When it was last heard as of the last write; heartbeats alone are not written. */
  @instantColumn()
  lastHeardAtMs!: number;
}
