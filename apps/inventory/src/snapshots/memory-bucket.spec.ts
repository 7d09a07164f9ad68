import { describeFencedBucket, type State } from '../testing/fenced-bucket-suite.js';
import { MemoryBucket } from './memory-bucket.js';

const bucket = new MemoryBucket<State>();

describeFencedBucket('in memory', () => bucket);
