import type { Change, ChangeState, Outage, Plan, Problem } from '@flexbso/contracts';
import { bigintColumn, instantColumn, jsonColumn } from '@flexbso/persistence';
import { Column, Entity } from 'typeorm';
import type { ChangeRecord, DueStep, NextStage } from '../changes/change-record.js';
import type { VolumeWant } from '../volumes/volume-record.js';

@Entity('change')
export class ChangeRow implements ChangeRecord {
  @Column({ type: 'text', primary: true })
  changeId!: string;

  @Column('text')
  volumeId!: string;

  @Column('text')
  tenantId!: string;

  @Column('text')
  volumeName!: string;

  @Column('text')
  kind!: Change['kind'];

  @jsonColumn()
  differences!: string[];

  @bigintColumn()
  fromGeneration!: number;

  @bigintColumn()
  toGeneration!: number;

  @Column('text')
  state!: ChangeState;

  @jsonColumn()
  plan!: Plan;

  @jsonColumn()
  steps!: Change['steps'];

  @jsonColumn({ nullable: true })
  progress!: Change['progress'];

  @Column({ type: 'text', nullable: true })
  waitingFor!: string | null;

  @instantColumn({ nullable: true })
  waitingSinceMs!: number | null;

  @jsonColumn({ nullable: true })
  overdue!: Change['overdue'];

  @jsonColumn({ nullable: true })
  paused!: Change['paused'];

  @jsonColumn({ nullable: true })
  cancel!: Change['cancel'];

  @jsonColumn({ nullable: true })
  due!: DueStep | null;

  @bigintColumn()
  bytesCopied!: number;

  @jsonColumn({ nullable: true })
  problem!: Problem | null;

  @jsonColumn({ nullable: true })
  outage!: Outage | null;

  @Column('text')
  requestedBy!: string;

  @Column({ type: 'text', nullable: true })
  traceId!: string | null;

  @jsonColumn()
  trace!: Record<string, string>;

  @jsonColumn({ nullable: true })
  from!: VolumeWant | null;

  @Column({ type: 'text', nullable: true })
  operationId!: string | null;

  @Column('boolean')
  cardSettled!: boolean;

  @Column('boolean')
  reverting!: boolean;

  @Column('text')
  endsAs!: 'undone' | 'refused';

  @jsonColumn({ nullable: true })
  told!: Record<string, string> | null;

  @jsonColumn({ nullable: true })
  next!: NextStage | null;

  @instantColumn()
  createdAtMs!: number;

  @instantColumn({ nullable: true })
  appliedAtMs!: number | null;

  @instantColumn({ nullable: true })
  settledAtMs!: number | null;
}
